/**
 * Log-mel spectra. Ports `log_mel_spectrogram` of LatentSync's latentsync/whisper/whisper/audio.py
 * (commit a229c39). Intended differences: double precision up to the logarithm, samples arrive in
 * blocks, and the loudest value of the whole file comes from a first pass instead of from memory.
 */
import { LatentSyncError } from "@ls/core";
import { melFilterBank, type MelBand } from "./mel-filter-bank.ts";
import { speechSampleRateHz } from "./mono-resampler.ts";
import { RealFourierTransform } from "./real-fourier-transform.ts";

/** Bands of a spectrum. */
export const melBands = 80;
/** Samples from one mel frame to the next: 10 ms. */
const melHopSamples = 160;

const WINDOW = RealFourierTransform.size;
const PADDING = WINDOW / 2;
const QUIETEST_POWER = 1e-10;

/** Receives the power of 80 bands, float64, of one mel frame. The array is used again. */
export type MelSink = (power: Float64Array) => void;

/** Mel frames of a sound of this length: every started hop but the last. */
function melFrameCount(sampleCount: number): number {
  return Math.floor(sampleCount / melHopSamples);
}

/** Shortest sound with a whole Whisper state, which takes two mel frames. */
export const shortestSpeechSamples: number = 2 * melHopSamples;

/**
 * Mel spectra of a sound that arrives in blocks of any size. Frames are centred: the sound is
 * mirrored at both ends. Memory: the last block and 400 samples.
 */
export class MelAnalyzer {
  readonly #transform: RealFourierTransform = new RealFourierTransform();
  readonly #bands: readonly MelBand[] = melFilterBank({
    sampleRateHz: speechSampleRateHz,
    transformSize: WINDOW,
    bands: melBands,
  });
  /** Periodic Hann. */
  readonly #window: Float64Array = Float64Array.from(
    { length: WINDOW },
    (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / WINDOW),
  );
  readonly #frames: readonly [Float64Array, Float64Array] = [
    new Float64Array(WINDOW),
    new Float64Array(WINDOW),
  ];
  readonly #powers: readonly [Float64Array, Float64Array] = [
    new Float64Array(RealFourierTransform.bins),
    new Float64Array(RealFourierTransform.bins),
  ];
  readonly #mel: Float64Array = new Float64Array(melBands);
  /** Padded samples that frames to come need; the first belongs to the next frame. */
  #pending: Float32Array = new Float32Array(0);
  #started = false;
  #sampleCount = 0;
  #frameCount = 0;

  /** Samples so far. */
  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** Takes the next samples and gives the frames that are complete with them. */
  push(samples: Float32Array, sink: MelSink): void {
    this.#sampleCount += samples.length;
    this.#append(samples);
    if (!this.#started) {
      if (this.#pending.length <= PADDING) return;
      this.#started = true;
      const mirrored = this.#pending.slice(1, PADDING + 1).toReversed();
      this.#pending = concatenate(mirrored, this.#pending);
    }
    const ready = Math.floor((this.#pending.length - WINDOW) / melHopSamples) + 1;
    // Frames go through the transform in pairs; an odd one waits.
    this.#analyze(Math.max(0, ready - (ready % 2)), sink);
  }

  /**
   * Gives the last frames.
   * @returns mel frames in all.
   */
  finish(sink: MelSink): number {
    const total = melFrameCount(this.#sampleCount);
    if (this.#started) {
      const { length } = this.#pending;
      this.#append(this.#pending.slice(length - PADDING - 1, length - 1).toReversed());
      this.#analyze(total - this.#frameCount, sink);
    }
    return this.#frameCount;
  }

  #append(samples: Float32Array): void {
    this.#pending =
      this.#pending.length === 0 ? samples.slice() : concatenate(this.#pending, samples);
  }

  #analyze(count: number, sink: MelSink): void {
    const [firstPower, secondPower] = this.#powers;
    const [first, second] = this.#frames;
    for (let index = 0; index < count; index += 2) {
      this.#cut(index * melHopSamples, first);
      this.#cut((index + 1) * melHopSamples, second);
      this.#transform.powers(first, second, firstPower, secondPower);
      sink(this.#toMel(firstPower));
      if (index + 1 < count) sink(this.#toMel(secondPower));
    }
    this.#frameCount += count;
    this.#pending = this.#pending.slice(count * melHopSamples);
  }

  #cut(start: number, frame: Float64Array): void {
    const pending = this.#pending;
    for (let index = 0; index < WINDOW; index++) {
      frame[index] = (pending[start + index] ?? 0) * (this.#window[index] as number);
    }
  }

  #toMel(power: Float64Array): Float64Array {
    for (let band = 0; band < melBands; band++) {
      const { firstBin, weights } = this.#bands[band] as MelBand;
      let sum = 0;
      for (let bin = 0; bin < weights.length; bin++) {
        sum += (power[firstBin + bin] as number) * (weights[bin] as number);
      }
      this.#mel[band] = sum;
    }
    return this.#mel;
  }
}

function concatenate(first: Float32Array, second: Float32Array): Float32Array {
  const joined = new Float32Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** What the first pass finds out about a sound. */
export interface SpeechMeasure {
  readonly sampleCount: number;
  readonly melFrameCount: number;
  /** Largest power of a mel band in the whole sound. */
  readonly maximumPower: number;
}

/** Turns the power of a mel band into Whisper's scale, given the loudest of the whole sound. */
export class MelScale {
  readonly #floor: number;

  constructor(maximumPower: number) {
    this.#floor = Math.log10(Math.max(maximumPower, QUIETEST_POWER)) - 8;
  }

  /** `(max(log10(max(power, 1e-10)), loudest - 8) + 4) / 4` */
  apply(power: number): number {
    return (Math.max(Math.log10(Math.max(power, QUIETEST_POWER)), this.#floor) + 4) / 4;
  }
}

/** What else looks at a sound in the first pass. */
export interface SoundObserver {
  addSamples(samples: Float32Array): void;
  /** Each mel frame; the array is used again. */
  addSpectrum(power: Float64Array): void;
}

/** First pass: length and loudness, in constant memory. */
export async function measureSpeech(
  blocks: AsyncIterable<Float32Array>,
  observer?: SoundObserver,
): Promise<SpeechMeasure> {
  const analyzer = new MelAnalyzer();
  let maximumPower = 0;
  const sink: MelSink = (power) => {
    for (let band = 0; band < melBands; band++) {
      maximumPower = Math.max(maximumPower, power[band] as number);
    }
    observer?.addSpectrum(power);
  };
  for await (const block of blocks) {
    observer?.addSamples(block);
    analyzer.push(block, sink);
  }
  const frames = analyzer.finish(sink);
  return { sampleCount: analyzer.sampleCount, melFrameCount: frames, maximumPower };
}

/**
 * The whole log-mel spectrogram at once; for sounds that fit in memory.
 * @param waveform mono 16 kHz samples in [-1, 1], more than 200.
 * @returns `[80, floor(samples / 160)]` float32, row-major.
 * @throws LatentSyncError `invalid_argument` if there are too few samples.
 */
export function logMelSpectrogram(waveform: Float32Array): Float32Array {
  if (waveform.length <= PADDING) {
    throw new LatentSyncError(
      "invalid_argument",
      `A log-mel spectrogram needs more than ${PADDING} samples, but the waveform has ${waveform.length}.`,
    );
  }
  const frames = melFrameCount(waveform.length);
  const spectrogram = new Float32Array(melBands * frames);
  const analyzer = new MelAnalyzer();
  let maximumPower = 0;
  let frame = 0;
  const sink: MelSink = (power) => {
    for (let band = 0; band < melBands; band++) {
      const value = power[band] as number;
      maximumPower = Math.max(maximumPower, value);
      spectrogram[band * frames + frame] = value;
    }
    frame++;
  };
  analyzer.push(waveform, sink);
  analyzer.finish(sink);
  const scale = new MelScale(maximumPower);
  return spectrogram.map((power) => scale.apply(power));
}
