/**
 * Whisper's hidden states, cut into what each video frame attends to. Ports `feature2chunks` and
 * `get_sliced_feature` of LatentSync's latentsync/whisper/audio2feature.py and the window loop of
 * whisper/transcribe.py (commit a229c39). Intended difference: windows are encoded when a frame
 * needs them, and states that no later frame needs are dropped.
 */
import { float32, LatentSyncError, type Session, type Tensor } from "@ls/core";
import { melBands } from "./log-mel.ts";
import { type WhisperWindow, windowMelFrames, windowStateCount } from "./whisper-windows.ts";

const STATES_PER_SECOND = 50;
const WINDOW_STATES = windowMelFrames / 2;

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
    states !== WINDOW_STATES ||
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
        `[${WINDOW_STATES}, layers, width], but this graph has ${found}.`,
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

  /** @param size elements of a state. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Index behind the last state that is here. */
  get end(): number {
    return this.#first + this.#states.length / this.#size;
  }

  /** Adds states and forgets those before `needed`. */
  append(states: Float32Array, needed: number): void {
    const drop = Math.min(Math.max(needed, this.#first), this.end) - this.#first;
    const kept = this.#states.subarray(drop * this.#size);
    const joined = new Float32Array(kept.length + states.length);
    joined.set(kept);
    joined.set(states, kept.length);
    this.#first += drop;
    this.#states = joined;
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
        while (buffer.end <= last) {
          const next = await source.next();
          if (next.done === true) throw missingStates(this.#stateCount, buffer.end);
          buffer.append(await this.#encode(next.value, options.signal), first);
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

  #stateIndices(frame: number): readonly number[] {
    const { audioFeatureLength, framesPerSecond } = this.#options;
    const first = centreState(frame, framesPerSecond) - 2 * audioFeatureLength[0];
    return Array.from({ length: statesPerFrame(this.#options) }, (_, index) =>
      Math.min(Math.max(first + index, 0), this.#stateCount - 1),
    );
  }

  async #encode(window: WhisperWindow, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { layers, width } = this.#shape;
    const outputs = await this.#whisper.run(
      { mel: float32([1, melBands, windowMelFrames], window.mel) },
      { outputs: ["embeddings"], ...(signal === undefined ? {} : { signal }) },
    );
    const embeddings: Tensor | undefined = outputs["embeddings"];
    const expected = [WINDOW_STATES, layers, width];
    if (embeddings?.dtype !== "float32" || embeddings.dims.join() !== expected.join()) {
      throw new LatentSyncError(
        "invalid_model",
        `The Whisper encoder gave embeddings ${embeddings?.dtype ?? "of no kind"} ` +
          `[${embeddings?.dims.join(", ") ?? ""}] instead of float32 [${expected.join(", ")}].`,
      );
    }
    const states = embeddings.data as Float32Array;
    return states.subarray(0, windowStateCount(window.frameCount) * layers * width);
  }
}

function missingStates(expected: number, actual: number): LatentSyncError {
  return new LatentSyncError(
    "invalid_argument",
    `The windows of the sound gave ${actual} states instead of ${expected}.`,
  );
}
