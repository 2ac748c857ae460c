/**
 * Whisper's hidden states, cut into what each video frame attends to. Ports `feature2chunks` and
 * `get_sliced_feature` of LatentSync's latentsync/whisper/audio2feature.py and the window loop of
 * whisper/transcribe.py (commit a229c39). Intended differences: windows are encoded when a frame
 * needs them, states that no later frame needs are dropped, and where windows overlap, the states of
 * one fade into those of the next.
 */
import { float32, LatentSyncError, type Session, type Tensor } from "@ls/core";
import { melBands } from "./log-mel.ts";
import {
  fadeStates,
  type WhisperWindow,
  windowMelFrames,
  type WindowPlace,
  windowStates,
} from "./whisper-windows.ts";

const STATES_PER_SECOND = 50;

/** How states are dealt out to frames. */
export interface FrameFeatureOptions {
  /**
   * States before and after a frame's own, in pairs: `[2, 2]` gives 4 before the frame's state and
   * 5 behind it. The checkpoint's `audio_feat_length`.
   */
  readonly audioFeatureLength: readonly [before: number, after: number];
  /** Rate of the video in frames per second. */
  readonly framesPerSecond: number;
}

/** A hidden state: `[layers, width]`, the embedding and the output of each block. */
export interface WhisperStateShape {
  readonly layers: number;
  readonly width: number;
}

/** States that a frame sees. */
function statesPerFrame(options: FrameFeatureOptions): number {
  const [before, after] = options.audioFeatureLength;
  return 2 * (before + after + 1);
}

/** The state at the time of a frame. */
function centreState(frame: number, framesPerSecond: number): number {
  return Math.floor((frame * STATES_PER_SECOND) / framesPerSecond);
}

/**
 * Frames that the official loop produces: up to and including the first whose time lies beyond
 * the last state.
 */
export function speechFrameCount(stateCount: number, framesPerSecond: number): number {
  const ratio = STATES_PER_SECOND / framesPerSecond;
  let frame = Math.max(0, Math.floor(stateCount / ratio) - 1);
  while (Math.floor(frame * ratio) <= stateCount) frame++;
  return frame + 1;
}

/**
 * Layers and width that a Whisper encoder gives.
 * @throws LatentSyncError `invalid_model` unless the session has an output `embeddings
 *   [1500, layers, width]` and an input `mel [1, 80, 3000]`.
 */
export function whisperStateShape(whisper: Session): WhisperStateShape {
  const output = whisper.outputs.find(({ name }) => name === "embeddings");
  const [states, layers, width] = output?.dims ?? [];
  const mel = whisper.inputs.find(({ name }) => name === "mel");
  if (
    output?.dims.length !== 3 ||
    states !== windowStates ||
    typeof layers !== "number" ||
    typeof width !== "number" ||
    mel?.dims.join() !== [1, melBands, windowMelFrames].join()
  ) {
    const found = [...whisper.inputs, ...whisper.outputs]
      .map(({ name, dims }) => `${name} [${dims.join(", ")}]`)
      .join(", ");
    throw new LatentSyncError(
      "invalid_model",
      `A Whisper encoder takes mel [1, ${melBands}, ${windowMelFrames}] and gives embeddings ` +
        `[${windowStates}, layers, width], but this graph has ${found}.`,
      { hint: "Pass a session of the model's whisper_encoder graph." },
    );
  }
  return { layers, width };
}

/** States in order, of which only a stretch is held. */
class StateBuffer {
  readonly #size: number;
  #states: Float32Array = new Float32Array(0);
  #first = 0;
  #settled = 0;

  /** @param size elements of a state. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Index behind the last state that the next window leaves as it is. */
  get settled(): number {
    return this.#settled;
  }

  /** Adds a window's states and forgets those before `needed`. */
  append(states: Float32Array, place: WindowPlace, needed: number): void {
    const size = this.#size;
    const start = Math.min(Math.max(needed, this.#first), this.#settled);
    const joined = new Float32Array((place.endState - start) * size);
    const held = this.#states.subarray((start - this.#first) * size);
    const fadeEnd = Math.min(this.#settled + fadeStates, start + held.length / size);
    joined.set(held.subarray(0, (fadeEnd - start) * size));
    joined.set(
      states.subarray(
        (fadeEnd - place.firstState) * size,
        (place.endState - place.firstState) * size,
      ),
      (fadeEnd - start) * size,
    );
    for (let state = this.#settled; state < fadeEnd; state++) {
      const weight = (state - this.#settled + 0.5) / (fadeEnd - this.#settled);
      const target = (state - start) * size;
      const source = (state - place.firstState) * size;
      for (let index = 0; index < size; index++) {
        const before = joined[target + index] as number;
        const after = states[source + index] as number;
        joined[target + index] = before + weight * (after - before);
      }
    }
    this.#first = start;
    this.#states = joined;
    this.#settled = place.handoverState;
  }

  copy(state: number, target: Float32Array, offset: number): void {
    const start = (state - this.#first) * this.#size;
    target.set(this.#states.subarray(start, start + this.#size), offset);
  }
}

/** Deals the states of a sound out to video frames. */
export class WhisperFeatureStream {
  /** Frames in all. */
  readonly frameCount: number;
  /** `states x layers x width` */
  readonly elementsPerFrame: number;
  readonly #whisper: Session;
  readonly #shape: WhisperStateShape;
  readonly #stateCount: number;
  readonly #options: FrameFeatureOptions;

  /**
   * @param whisper session of the encoder; it stays the caller's.
   * @param stateCount states of the whole sound, at least one; see `speechStateCount`.
   */
  constructor(whisper: Session, stateCount: number, options: FrameFeatureOptions) {
    this.#whisper = whisper;
    this.#shape = whisperStateShape(whisper);
    this.#stateCount = stateCount;
    this.#options = options;
    this.frameCount = speechFrameCount(stateCount, options.framesPerSecond);
    this.elementsPerFrame = statesPerFrame(options) * this.#shape.layers * this.#shape.width;
  }

  /**
   * Features of frames in order, `frameCount` in all: each `[states x layers, width]` float32, the
   * caller's own. Encodes a window when a frame first needs it.
   * @param windows the windows of the sound in order.
   */
  async *frames(
    windows: AsyncIterable<WhisperWindow>,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Float32Array> {
    const size = this.#shape.layers * this.#shape.width;
    const buffer = new StateBuffer(size);
    const source = windows[Symbol.asyncIterator]();
    try {
      for (let frame = 0; frame < this.frameCount; frame++) {
        options.signal?.throwIfAborted();
        const indices = this.#stateIndices(frame);
        const first = indices[0] as number;
        const last = indices[indices.length - 1] as number;
        while (buffer.settled <= last) {
          const next = await source.next();
          if (next.done === true) throw missingStates(this.#stateCount, buffer.settled);
          const window = next.value;
          buffer.append(await this.#encode(window.mel, options.signal), window, first);
        }
        const features = new Float32Array(this.elementsPerFrame);
        for (const [position, state] of indices.entries()) {
          buffer.copy(state, features, position * size);
        }
        yield features;
      }
    } finally {
      await source.return?.();
    }
  }

  /**
   * What a frame in the midst of a window of silence gets: `[states x layers, width]` float32.
   * @param mel value of silence on Whisper's scale.
   */
  async silence(
    mel: number,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const window = new Float32Array(melBands * windowMelFrames).fill(mel);
    const states = await this.#encode(window, options.signal);
    const start = ((windowStates / 2) * this.elementsPerFrame) / statesPerFrame(this.#options);
    return states.slice(start, start + this.elementsPerFrame);
  }

  #stateIndices(frame: number): readonly number[] {
    const { audioFeatureLength, framesPerSecond } = this.#options;
    const first = centreState(frame, framesPerSecond) - 2 * audioFeatureLength[0];
    return Array.from({ length: statesPerFrame(this.#options) }, (_, index) =>
      Math.min(Math.max(first + index, 0), this.#stateCount - 1),
    );
  }

  /** @returns `[1500, layers, width]` */
  async #encode(mel: Float32Array, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { layers, width } = this.#shape;
    const outputs = await this.#whisper.run(
      { mel: float32([1, melBands, windowMelFrames], mel) },
      { outputs: ["embeddings"], ...(signal === undefined ? {} : { signal }) },
    );
    const embeddings: Tensor | undefined = outputs["embeddings"];
    const expected = [windowStates, layers, width];
    if (embeddings?.dtype !== "float32" || embeddings.dims.join() !== expected.join()) {
      throw new LatentSyncError(
        "invalid_model",
        `The Whisper encoder gave embeddings ${embeddings?.dtype ?? "of no kind"} ` +
          `[${embeddings?.dims.join(", ") ?? ""}] instead of float32 [${expected.join(", ")}].`,
      );
    }
    return embeddings.data as Float32Array;
  }
}

function missingStates(expected: number, actual: number): LatentSyncError {
  return new LatentSyncError(
    "invalid_argument",
    `The windows of the sound gave ${actual} states instead of ${expected}.`,
  );
}
