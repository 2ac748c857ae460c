export * from "./errors.ts";
export * from "./face.ts";
export * from "./image.ts";
export * from "./model.ts";
export * from "./runtime.ts";
export * from "./speech.ts";
export * from "./tensor.ts";
export * from "./video.ts";
