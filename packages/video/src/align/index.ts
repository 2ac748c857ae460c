export { createFaceAligner, type FaceAlignerOptions } from "./face-aligner.ts";
export { type CropSize, cropSize, faceRegion } from "./crop-geometry.ts";
export { FaceCropper } from "./face-crop.ts";
export { FacePaster } from "./face-paste.ts";
export { createFaceTransform } from "./face-transform.ts";
export { createInpaintingMask } from "./inpainting-mask.ts";
