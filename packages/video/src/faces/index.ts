export { type FaceLimits, filterFaces, OFFICIAL_FACE_LIMITS } from "./filter-faces.ts";
export {
  createInsightFaceDetector,
  INSIGHTFACE_LICENCE_NOTICE,
  type InsightFaceDetectorOptions,
} from "./insightface.ts";
export { createLandmarkFileDetector } from "./landmark-file.ts";
export {
  createMediaPipeDetector,
  type MediaPipeDetector,
  type MediaPipeDetectorOptions,
} from "./mediapipe.ts";
export type { TensorFlowBackend } from "./tensorflow.ts";
export { drawFace, type DrawnFaceOptions, drawnFacePoints, renderFace } from "./drawn-face.ts";
