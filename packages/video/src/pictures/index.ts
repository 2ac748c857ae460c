export { createPictureVideo, type PictureVideoOptions } from "./picture-video.ts";
