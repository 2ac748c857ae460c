export { createOcclusionDetector, type OcclusionDetectorOptions } from "./occlusion-detector.ts";
