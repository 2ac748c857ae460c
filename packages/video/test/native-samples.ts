/** The samples of decoded frames as they are, plane by plane, without padding. */
import type { VideoFrame } from "@ls/core";
import { FfmpegVideoFrame } from "../src/ffmpeg/ffmpeg-video-frame.ts";
import { createFfmpegVideoSource } from "../src/ffmpeg/index.ts";
import { framePlanes, layoutOf } from "../src/ffmpeg/native-frame.ts";
import type { PixelLayout } from "../src/ffmpeg/pixel-layout.ts";

export interface PlaneSamples {
  readonly data: Buffer;
  readonly columns: number;
  readonly bytesPerStep: number;
  readonly shiftX: number;
  readonly shiftY: number;
}

export interface NativeFrame {
  readonly layout: PixelLayout;
  readonly planes: readonly PlaneSamples[];
}

function nativeFrame(frame: VideoFrame): NativeFrame {
  if (!(frame instanceof FfmpegVideoFrame)) throw new Error("another kind of frame");
  using native = frame.reference();
  const planes = framePlanes(native).map((plane) => {
    const { data, stride, columns, rows, bytesPerStep, shiftX, shiftY } = plane;
    const lines = Array.from({ length: rows }, (_, row) =>
      data.subarray(row * stride, row * stride + columns * bytesPerStep),
    );
    return { data: Buffer.concat(lines), columns, bytesPerStep, shiftX, shiftY };
  });
  return { layout: layoutOf(native), planes };
}

/** All frames of a file, each once. */
export async function nativeFrames(path: string): Promise<NativeFrame[]> {
  await using reader = await createFfmpegVideoSource().open(path, { framesPerSecond: "source" });
  const frames: NativeFrame[] = [];
  for await (const frame of reader.frames()) {
    using owned = frame;
    frames.push(nativeFrame(owned));
  }
  return frames;
}
