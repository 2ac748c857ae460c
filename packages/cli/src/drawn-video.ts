import type { VideoReader } from "@ls/core";
import { createPictureVideo, renderFace } from "@ls/video";

const FRAMES_PER_SECOND = 25;
/** Syllables per second of the drawn mouth. */
const SYLLABLE_RATE_HZ = 3.2;

/** A face that moves its head and its mouth, drawn frame by frame. */
export function drawnVideo(options: {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
}): VideoReader {
  const { width, height, seconds } = options;
  return createPictureVideo({
    width,
    height,
    frameCount: Math.round(seconds * FRAMES_PER_SECOND),
    picture: (index) => {
      const time = index / FRAMES_PER_SECOND;
      const mouthOpening = Math.abs(Math.sin(Math.PI * SYLLABLE_RATE_HZ * time));
      return renderFace({ width, height, time, mouthOpening });
    },
  });
}
