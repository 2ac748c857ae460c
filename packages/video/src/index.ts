export * from "./align/index.ts";
export * from "./faces/index.ts";
export * from "./ffmpeg/index.ts";
export * from "./occlusion/index.ts";
export * from "./pictures/index.ts";
