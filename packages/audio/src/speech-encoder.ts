import {
  LatentSyncError,
  type Session,
  type SpeechEncoder,
  type SpeechFeatures,
  type SpeechFrame,
} from "@ls/core";
import { measureSpeech, MelScale, shortestSpeechSamples, type SpeechMeasure } from "./log-mel.ts";
import { speechSampleRateHz } from "./mono-resampler.ts";
import { invalidSound } from "./sound-file.ts";
import { SpeechActivityMeter } from "./speech-activity.ts";
import { decodeSpeech } from "./speech-decoder.ts";
import { type FrameFeatureOptions, WhisperFeatureStream } from "./whisper-feature-stream.ts";
import { speechStateCount, type WindowLayout, whisperWindows } from "./whisper-windows.ts";

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
  /** How a sound longer than 30 s is cut; `overlapped` if not given. */
  readonly windows?: WindowLayout;
}

/** A sound that has been measured, and how to read it again. */
interface MeasuredSound {
  readonly path: string;
  readonly source: SpeechSource;
  readonly measure: SpeechMeasure;
  readonly windows: WindowLayout;
  /** Whether there is speech, for each frame. */
  readonly voiced: readonly boolean[];
}

class WhisperSpeechFeatures implements SpeechFeatures {
  readonly frameCount: number;
  readonly durationSeconds: number;
  readonly elementsPerFrame: number;
  readonly #sound: MeasuredSound;
  readonly #stream: WhisperFeatureStream;
  readonly #disposal: AbortController = new AbortController();
  readonly #iterations: Set<AsyncGenerator<SpeechFrame>> = new Set();

  constructor(sound: MeasuredSound, stream: WhisperFeatureStream) {
    this.#sound = sound;
    this.#stream = stream;
    this.frameCount = stream.frameCount;
    this.elementsPerFrame = stream.elementsPerFrame;
    this.durationSeconds = sound.measure.sampleCount / speechSampleRateHz;
  }

  frames(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<SpeechFrame> {
    const iteration: AsyncGenerator<SpeechFrame> = this.#iterate(options.signal, () =>
      this.#iterations.delete(iteration),
    );
    this.#iterations.add(iteration);
    return iteration;
  }

  async *#iterate(
    callerSignal: AbortSignal | undefined,
    onEnd: () => void,
  ): AsyncGenerator<SpeechFrame> {
    try {
      const signal = this.#combined(callerSignal);
      signal.throwIfAborted();
      const { path, source, measure, windows, voiced } = this.#sound;
      const blocks = source(path, { signal });
      const stream = this.#stream.frames(whisperWindows(blocks, measure, windows), { signal });
      let frame = 0;
      for await (const features of stream) yield { features, voiced: voiced[frame++] === true };
    } finally {
      onEnd();
    }
  }

  silence(options: { readonly signal?: AbortSignal } = {}): Promise<Float32Array> {
    const mel = new MelScale(this.#sound.measure.maximumPower).apply(0);
    return this.#stream.silence(mel, { signal: this.#combined(options.signal) });
  }

  #combined(signal: AbortSignal | undefined): AbortSignal {
    const disposal = this.#disposal.signal;
    return signal === undefined ? disposal : AbortSignal.any([signal, disposal]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort(
      new LatentSyncError("disposed", `The features of ${this.#sound.path} were disposed.`),
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
 * `open` reads the sound once, to measure it and to tell where there is speech; each `frames()` reads
 * it again. Memory: up to three windows of mel frames, the states of at most two, and 2 MB for an
 * hour of sound.
 * @throws LatentSyncError `invalid_argument` for options that are out of range.
 */
export function createSpeechEncoder(options: SpeechEncoderOptions = {}): SpeechEncoder {
  const { source = decodeSpeech, audioFeatureLength = [2, 2], framesPerSecond = 25 } = options;
  const { windows = "overlapped" } = options;
  const frameOptions: FrameFeatureOptions = { audioFeatureLength, framesPerSecond };
  checkOptions(frameOptions);
  return {
    async open(
      path: string,
      whisper: Session,
      { signal }: { readonly signal?: AbortSignal } = {},
    ): Promise<SpeechFeatures> {
      signal?.throwIfAborted();
      const activity = new SpeechActivityMeter();
      const blocks = source(path, signal === undefined ? {} : { signal });
      const measure = await measureSpeech(blocks, activity);
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
      const voiced = activity.voicedFrames(stream.frameCount, framesPerSecond);
      return new WhisperSpeechFeatures({ path, source, measure, windows, voiced }, stream);
    },
  };
}
