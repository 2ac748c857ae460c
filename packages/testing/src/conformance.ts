export * from "./aligner-conformance.ts";
export * from "./face-conformance.ts";
export * from "./occlusion-conformance.ts";
export * from "./process-end-conformance.ts";
export * from "./runtime-conformance.ts";
export * from "./segment-conformance.ts";
export * from "./video-conformance.ts";
