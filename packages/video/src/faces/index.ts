export { appearanceOf, type AppearanceOptions } from "./appearance-of.ts";
export {
  DEFAULT_FACE_LIMITS,
  type FaceLimits,
  filterFaces,
  OFFICIAL_FACE_LIMITS,
} from "./filter-faces.ts";
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
export type { MediaPipeFace } from "./mediapipe-messages.ts";
export type { Mouth } from "./mouth.ts";
export { createMouthRuler, type MouthMeasure, type MouthRuler } from "./mouth-ruler.ts";
export type { TensorFlowBackend } from "./tensorflow.ts";
