import { videoConformance } from "@ls/testing/conformance";
import { createFfmpegVideoSink, createFfmpegVideoSource } from "../src/ffmpeg/index.ts";

const source = createFfmpegVideoSource();

videoConformance("FFmpeg with H.264 in MP4", {
  source,
  sink: createFfmpegVideoSink({ preset: "ultrafast" }),
});

videoConformance("FFmpeg with FFV1 in Matroska", {
  source,
  sink: createFfmpegVideoSink({ codec: "ffv1" }),
  extension: ".mkv",
  lossless: true,
});
