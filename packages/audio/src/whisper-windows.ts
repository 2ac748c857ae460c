import { LatentSyncError } from "@ls/core";
import { MelAnalyzer, melBands, MelScale, type SpeechMeasure } from "./log-mel.ts";

/** Mel frames of a window: 30 seconds. */
export const windowMelFrames = 3000;
/** Hidden states of a window: one for two mel frames. */
export const windowStates: number = windowMelFrames / 2;

/**
 * How a sound longer than a window is cut. `official`: one window behind the other, the last one
 * filled up with zeros, as LatentSync does; states at both sides of a border then know nothing of
 * each other. `overlapped`: windows share 4 s or more, and each state comes from the window in which
 * it is farther from the border. A sound of up to 30 s is one window, the same in both.
 */
export type WindowLayout = "overlapped" | "official";

/** What neighbouring windows share at least, in states: 4 s. */
const OVERLAP_STATES = 200;
/** States over which one window's states fade into the next one's: 1 s. */
export const fadeStates = 50;

/** Which states of a sound a window gives. */
export interface WindowPlace {
  readonly firstState: number;
  /** Behind the last state. */
  readonly endState: number;
  /**
   * From here on the next window's states fade in, within `fadeStates`; `endState` if nothing is
   * shared with it.
   */
  readonly handoverState: number;
}

/** What Whisper's encoder gets at once. */
export interface WhisperWindow extends WindowPlace {
  /** `[80, 3000]` float32, row-major; zeros behind the end of the sound. */
  readonly mel: Float32Array;
  /** Mel frames of sound, 1 to 3000. */
  readonly frameCount: number;
}

/** Hidden states of a whole sound. */
export function speechStateCount(melFrameCount: number): number {
  return Math.floor(melFrameCount / 2);
}

/** Where the windows of a sound lie, in order. */
export function planWindows(melFrameCount: number, layout: WindowLayout): readonly WindowPlace[] {
  const stateCount = speechStateCount(melFrameCount);
  if (layout === "official" || stateCount <= windowStates) {
    const count = layout === "official" ? Math.ceil(melFrameCount / windowMelFrames) : 1;
    return Array.from({ length: count }, (_, window) => {
      const endState = Math.min((window + 1) * windowStates, stateCount);
      return { firstState: window * windowStates, endState, handoverState: endState };
    });
  }
  // As many windows as the overlap needs, evenly spread: the last one ends with the sound, so that
  // none is filled up.
  const steps = Math.ceil((stateCount - windowStates) / (windowStates - OVERLAP_STATES));
  const firstState = (window: number): number =>
    Math.round((window * (stateCount - windowStates)) / steps);
  return Array.from({ length: steps + 1 }, (_, window) => {
    const endState = firstState(window) + windowStates;
    const middle = (firstState(window + 1) + endState) / 2;
    return {
      firstState: firstState(window),
      endState,
      handoverState: window === steps ? endState : Math.floor(middle - fadeStates / 2),
    };
  });
}

/** Fills the windows, of which up to three are open at a time. */
class WindowBuilder {
  readonly #scale: MelScale;
  readonly #places: readonly WindowPlace[];
  readonly #open: { readonly place: WindowPlace; readonly mel: Float32Array }[] = [];
  #opened = 0;
  #frame = 0;
  /** Windows that are complete. */
  readonly ready: WhisperWindow[] = [];

  constructor(maximumPower: number, places: readonly WindowPlace[]) {
    this.#scale = new MelScale(maximumPower);
    this.#places = places;
  }

  add(power: Float64Array): void {
    const next = this.#places[this.#opened];
    if (next !== undefined && 2 * next.firstState <= this.#frame) {
      this.#open.push({ place: next, mel: new Float32Array(melBands * windowMelFrames) });
      this.#opened++;
    }
    for (let band = 0; band < melBands; band++) {
      const value = this.#scale.apply(power[band] as number);
      for (const { place, mel } of this.#open) {
        mel[band * windowMelFrames + this.#frame - 2 * place.firstState] = value;
      }
    }
    this.#frame++;
    const oldest = this.#open[0];
    if (oldest !== undefined && this.#frame - 2 * oldest.place.firstState === windowMelFrames) {
      this.flush();
    }
  }

  /** The oldest window is complete. */
  flush(): void {
    const window = this.#open.shift();
    if (window === undefined) return;
    const { place, mel } = window;
    const frameCount = Math.min(this.#frame - 2 * place.firstState, windowMelFrames);
    this.ready.push({ ...place, mel, frameCount });
  }
}

/**
 * Second pass: Whisper's windows in order.
 * @param blocks the same sound that was measured.
 * @throws LatentSyncError `invalid_media` if the sound is of another length by now.
 */
export async function* whisperWindows(
  blocks: AsyncIterable<Float32Array>,
  measure: Pick<SpeechMeasure, "sampleCount" | "melFrameCount" | "maximumPower">,
  layout: WindowLayout = "overlapped",
): AsyncGenerator<WhisperWindow> {
  const analyzer = new MelAnalyzer();
  const places = planWindows(measure.melFrameCount, layout);
  const windows = new WindowBuilder(measure.maximumPower, places);
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
