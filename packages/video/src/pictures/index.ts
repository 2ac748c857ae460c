export { createPictureVideo, type PictureVideoOptions } from "./picture-video.ts";
export { writeVideo, type WriteVideoOptions } from "./write-video.ts";
