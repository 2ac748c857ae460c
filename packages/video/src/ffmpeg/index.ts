export { createFfmpegVideoSource, type FfmpegVideoSourceOptions } from "./video-source.ts";
export type { RateConversion } from "./video-description.ts";
export { createFfmpegVideoSink, type FfmpegVideoSinkOptions } from "./video-sink.ts";
export type { VideoCodec } from "./output-format.ts";
export { probeVideo, type VideoProbe } from "./video-probe.ts";
export { readImage, writePng } from "./images.ts";
export type { HardwareAcceleration, HardwareDeviceName, HardwareStatus } from "./hardware.ts";
export { probeVideoHardware } from "./hardware-encoders.ts";
