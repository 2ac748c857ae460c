export * from "./compare.ts";
export * from "./fake-video.ts";
export * from "./fakes.ts";
export { goldenFile } from "./golden-file.ts";
export * from "./lip-sync/index.ts";
export * from "./onnx-encoder.ts";
export * from "./reference.ts";
export * from "./safetensors.ts";
export { useSoftwareVulkan } from "./software-vulkan.ts";
