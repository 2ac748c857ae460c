/** What the model hears at each of its frames, with silence as the run wants it. */
import type { SpeechFeatures, SpeechFrame } from "../speech.ts";

/**
 * What the mouth does where nobody speaks. `rest`: the model is given silence, so that noise and music
 * do not move it. `keep`: the model is given the sound, as in the official pipeline. `source`: the
 * frames stay as they are, and the new mouth fades in and out.
 */
export type SilenceMode = "rest" | "keep" | "source";

/** What a model frame shows. */
export interface HeardFrame {
  /** `[tokens, width]` audio features. */
  readonly features: Float32Array;
  /** How much of the new mouth is seen, from 0: none, the frame stays as it is, to 1. */
  readonly strength: number;
}

/** Model frames over which a new mouth fades in before speech, and out after it. */
const FADE_FRAMES = 4;

/** Speech by model frame, asked for in order; some may be left out. */
export class SpeechTrack implements AsyncDisposable {
  readonly #frames: AsyncIterator<SpeechFrame>;
  readonly #mode: SilenceMode;
  readonly #silence: () => Promise<Float32Array>;
  #silent: Promise<Float32Array> | undefined;
  /** From frame `#first` on: those that a fade looks at, before and behind the one asked for. */
  readonly #window: SpeechFrame[] = [];
  #first = 0;
  #ended = false;

  constructor(speech: SpeechFeatures, mode: SilenceMode, signal: AbortSignal) {
    this.#frames = speech.frames({ signal })[Symbol.asyncIterator]();
    this.#mode = mode;
    this.#silence = () => speech.silence({ signal });
  }

  /** After the end of the speech there is silence. */
  async at(slot: number): Promise<HeardFrame> {
    const ahead = this.#mode === "source" ? FADE_FRAMES : 0;
    await this.#advance(slot - ahead, slot + ahead);
    const own = this.#window[slot - this.#first];
    if (this.#mode === "source") return this.#faded(slot, own);
    const isSilent = own === undefined || (this.#mode === "rest" && !own.voiced);
    return { features: isSilent ? await this.#silentFeatures() : own.features, strength: 1 };
  }

  async #faded(slot: number, own: SpeechFrame | undefined): Promise<HeardFrame> {
    let distance = FADE_FRAMES;
    for (const [position, { voiced }] of this.#window.entries()) {
      if (voiced) distance = Math.min(distance, Math.abs(this.#first + position - slot));
    }
    return {
      features: own?.features ?? (await this.#silentFeatures()),
      strength: 1 - distance / FADE_FRAMES,
    };
  }

  /** Keeps the frames from `first` to `last`. */
  async #advance(first: number, last: number): Promise<void> {
    while (!this.#ended && this.#first + this.#window.length <= last) {
      const next = await this.#frames.next();
      if (next.done === true) this.#ended = true;
      else this.#window.push(next.value);
      this.#forgetBefore(first);
    }
    this.#forgetBefore(first);
  }

  #forgetBefore(first: number): void {
    while (this.#first < first && this.#window.length > 0) {
      this.#window.shift();
      this.#first += 1;
    }
  }

  #silentFeatures(): Promise<Float32Array> {
    this.#silent ??= this.#silence();
    return this.#silent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames.return?.();
  }
}
