import { LatentSyncError, type Session, type SpeechEncoder, type SpeechFeatures } from "@ls/core";
import { measureSpeech, shortestSpeechSamples, type SpeechMeasure } from "./log-mel.ts";
import { speechSampleRateHz } from "./mono-resampler.ts";
import { invalidSound } from "./sound-file.ts";
import { decodeSpeech } from "./speech-decoder.ts";
import { type FrameFeatureOptions, WhisperFeatureStream } from "./whisper-feature-stream.ts";
import { speechStateCount, whisperWindows } from "./whisper-windows.ts";

/**
 * Gives a sound as mono float32 blocks at 16 kHz, each of them the consumer's. Called once to
 * measure the sound and once for every iteration over its features; each time with the same result.
 */
export type SpeechSource = (
  path: string,
  options: { readonly signal?: AbortSignal },
) => AsyncIterable<Float32Array>;

export interface SpeechEncoderOptions extends Partial<FrameFeatureOptions> {
  /** Where samples come from; `decodeSpeech` if not given. */
  readonly source?: SpeechSource;
}

class WhisperSpeechFeatures implements SpeechFeatures {
  readonly frameCount: number;
  readonly durationSeconds: number;
  readonly elementsPerFrame: number;
  readonly #path: string;
  readonly #source: SpeechSource;
  readonly #measure: SpeechMeasure;
  readonly #stream: WhisperFeatureStream;
  readonly #disposal: AbortController = new AbortController();
  readonly #iterations: Set<AsyncGenerator<Float32Array>> = new Set();

  constructor(
    path: string,
    source: SpeechSource,
    measure: SpeechMeasure,
    stream: WhisperFeatureStream,
  ) {
    this.#path = path;
    this.#source = source;
    this.#measure = measure;
    this.#stream = stream;
    this.frameCount = stream.frameCount;
    this.elementsPerFrame = stream.elementsPerFrame;
    this.durationSeconds = measure.sampleCount / speechSampleRateHz;
  }

  frames(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<Float32Array> {
    const iteration: AsyncGenerator<Float32Array> = this.#iterate(options.signal, () =>
      this.#iterations.delete(iteration),
    );
    this.#iterations.add(iteration);
    return iteration;
  }

  async *#iterate(
    callerSignal: AbortSignal | undefined,
    onEnd: () => void,
  ): AsyncGenerator<Float32Array> {
    try {
      const signal =
        callerSignal === undefined
          ? this.#disposal.signal
          : AbortSignal.any([callerSignal, this.#disposal.signal]);
      signal.throwIfAborted();
      const blocks = this.#source(this.#path, { signal });
      yield* this.#stream.frames(whisperWindows(blocks, this.#measure), { signal });
    } finally {
      onEnd();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort(
      new LatentSyncError("disposed", `The features of ${this.#path} were disposed.`),
    );
    const iterations = [...this.#iterations];
    this.#iterations.clear();
    await Promise.allSettled(iterations.map((iteration) => iteration.return(undefined)));
  }
}

function checkOptions(options: FrameFeatureOptions): void {
  const { audioFeatureLength, framesPerSecond } = options;
  if (!(framesPerSecond > 0 && framesPerSecond <= 1000)) {
    throw new LatentSyncError(
      "invalid_argument",
      `framesPerSecond is ${framesPerSecond}; more than 0 and up to 1000 is expected.`,
    );
  }
  if (audioFeatureLength.some((pairs) => !Number.isInteger(pairs) || pairs < 0 || pairs > 100)) {
    throw new LatentSyncError(
      "invalid_argument",
      `audioFeatureLength is [${audioFeatureLength.join(", ")}]; integers from 0 to 100 are expected.`,
    );
  }
}

/**
 * Makes the speech encoder of LatentSync: decoding, log-mel and Whisper's windows.
 *
 * `open` reads the sound once, to measure it; each `frames()` reads it again. Memory does not grow
 * with the length of the sound: a window of mel frames and the states of at most two windows.
 * @throws LatentSyncError `invalid_argument` for options that are out of range.
 */
export function createSpeechEncoder(options: SpeechEncoderOptions = {}): SpeechEncoder {
  const { source = decodeSpeech, audioFeatureLength = [2, 2], framesPerSecond = 25 } = options;
  const frameOptions: FrameFeatureOptions = { audioFeatureLength, framesPerSecond };
  checkOptions(frameOptions);
  return {
    async open(
      path: string,
      whisper: Session,
      { signal }: { readonly signal?: AbortSignal } = {},
    ): Promise<SpeechFeatures> {
      signal?.throwIfAborted();
      const measure = await measureSpeech(source(path, signal === undefined ? {} : { signal }));
      signal?.throwIfAborted();
      if (measure.sampleCount < shortestSpeechSamples) {
        throw invalidSound(
          path,
          `it has ${measure.sampleCount} samples at 16 kHz, and speech takes ${shortestSpeechSamples} or more`,
          { hint: "Pass speech of a second or more." },
        );
      }
      const states = speechStateCount(measure.melFrameCount);
      const stream = new WhisperFeatureStream(whisper, states, frameOptions);
      return new WhisperSpeechFeatures(path, source, measure, stream);
    },
  };
}
