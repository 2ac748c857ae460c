import { LatentSyncError } from "@ls/core";
import { MelAnalyzer, melBands, MelScale, type SpeechMeasure } from "./log-mel.ts";

/** Mel frames of a window: 30 seconds. */
export const windowMelFrames = 3000;

/** What Whisper's encoder gets at once. */
export interface WhisperWindow {
  /** `[80, 3000]` float32, row-major; zeros behind the end of the sound. */
  readonly mel: Float32Array;
  /** Mel frames of sound, 1 to 3000. */
  readonly frameCount: number;
}

/** Hidden states that are kept of a window: one for two mel frames. */
export function windowStateCount(frameCount: number): number {
  return Math.floor(frameCount / 2);
}

/** Hidden states of a whole sound, window by window. */
export function speechStateCount(melFrameCount: number): number {
  const whole = Math.floor(melFrameCount / windowMelFrames);
  return (
    whole * windowStateCount(windowMelFrames) + windowStateCount(melFrameCount % windowMelFrames)
  );
}

class WindowBuilder {
  readonly #scale: MelScale;
  #mel: Float32Array = new Float32Array(melBands * windowMelFrames);
  #frameCount = 0;
  /** Windows that are complete. */
  readonly ready: WhisperWindow[] = [];

  constructor(maximumPower: number) {
    this.#scale = new MelScale(maximumPower);
  }

  add(power: Float64Array): void {
    for (let band = 0; band < melBands; band++) {
      this.#mel[band * windowMelFrames + this.#frameCount] = this.#scale.apply(
        power[band] as number,
      );
    }
    this.#frameCount++;
    if (this.#frameCount === windowMelFrames) this.flush();
  }

  flush(): void {
    if (this.#frameCount === 0) return;
    this.ready.push({ mel: this.#mel, frameCount: this.#frameCount });
    this.#mel = new Float32Array(melBands * windowMelFrames);
    this.#frameCount = 0;
  }
}

/**
 * Second pass: Whisper's windows in order.
 * @param blocks the same sound that was measured.
 * @throws LatentSyncError `invalid_media` if the sound is of another length by now.
 */
export async function* whisperWindows(
  blocks: AsyncIterable<Float32Array>,
  measure: SpeechMeasure,
): AsyncGenerator<WhisperWindow> {
  const analyzer = new MelAnalyzer();
  const windows = new WindowBuilder(measure.maximumPower);
  const sink = (power: Float64Array): void => windows.add(power);
  for await (const block of blocks) {
    analyzer.push(block, sink);
    yield* windows.ready.splice(0);
  }
  analyzer.finish(sink);
  if (analyzer.sampleCount !== measure.sampleCount) {
    throw new LatentSyncError(
      "invalid_media",
      `The sound had ${measure.sampleCount} samples at 16 kHz when it was measured, and ${analyzer.sampleCount} now.`,
      { hint: "Leave the sound file alone while it is in use." },
    );
  }
  windows.flush();
  yield* windows.ready.splice(0);
}
