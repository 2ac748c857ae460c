export * from "./compare.ts";
export * from "./reference.ts";
export * from "./safetensors.ts";
