import { Dominance, type Span } from "./dominance.ts";
import type { Stage } from "./sounds.ts";
import type { TimedSound } from "./utterance.ts";
import type { Voice } from "./voice.ts";

/** How fast the tongue moves formants, and how fast noises and the voice start and stop. */
const FORMANT_SECONDS = 0.016;
const NOISE_SECONDS = 0.0025;
const VOICE_SECONDS = 0.006;
/** Loudness of unstressed, stressed and half stressed syllables. */
const LOUDNESS = [0.75, 1.1, 0.95] as const;
/** How far vowels of unstressed syllables go to the middle of the vowel space. */
const REDUCTION = [0.25, 0, 0.1] as const;
const NEUTRAL_FORMANTS_HZ = [500, 1500, 2500] as const;

interface StageSpan extends Span {
  readonly stage: Stage;
  readonly loudness: number;
}

/** What the sources and filters of the vocal tract do at one instant; formants and bands in Hz. */
export class AcousticFrame {
  readonly formantsHz: Float64Array = new Float64Array(NEUTRAL_FORMANTS_HZ);
  voicing = 0;
  aspiration = 0;
  nasality = 0;
  muffling = 0;
  readonly noiseHz: Float64Array = new Float64Array([1500, 4000]);
  readonly noiseBandwidthHz: Float64Array = new Float64Array([1000, 2000]);
  readonly noiseGain: Float64Array = new Float64Array(2);
}

/** Formants and sources of an utterance over time, for one voice. */
export class AcousticTrack {
  readonly #formants: Dominance<StageSpan>;
  readonly #noises: Dominance<StageSpan>;
  readonly #voice: Dominance<StageSpan>;

  constructor(sounds: readonly TimedSound[], voice: Voice) {
    const spans = sounds.flatMap((sound) => stageSpans(sound, voice));
    this.#formants = new Dominance(spans, FORMANT_SECONDS);
    this.#noises = new Dominance(spans, NOISE_SECONDS);
    this.#voice = new Dominance(spans, VOICE_SECONDS);
  }

  /** Writes the state at that time into `frame`. */
  read(seconds: number, frame: AcousticFrame): void {
    this.#readFormants(seconds, frame);
    this.#readVoice(seconds, frame);
    this.#readNoises(seconds, frame);
  }

  #readFormants(seconds: number, { formantsHz }: AcousticFrame): void {
    let holds = 0;
    formantsHz.fill(0);
    this.#formants.forEachFelt(seconds, ({ stage }, influence) => {
      const hold = influence * stage.formantHold;
      holds += hold;
      for (let index = 0; index < 3; index++) {
        formantsHz[index] =
          (formantsHz[index] as number) + hold * (stage.formantsHz[index] as number);
      }
    });
    for (let index = 0; index < 3; index++) {
      formantsHz[index] = (formantsHz[index] as number) / holds;
    }
  }

  #readVoice(seconds: number, frame: AcousticFrame): void {
    frame.voicing = frame.muffling = frame.nasality = 0;
    this.#voice.forEachFelt(seconds, ({ stage, loudness }, influence) => {
      frame.voicing += influence * loudness * stage.voicing;
      frame.muffling += influence * stage.muffling;
      frame.nasality += influence * stage.nasality;
    });
  }

  #readNoises(seconds: number, frame: AcousticFrame): void {
    frame.aspiration = 0;
    frame.noiseGain.fill(0);
    let strongest = 0;
    this.#noises.forEachFelt(seconds, ({ stage, loudness }, influence) => {
      frame.aspiration += influence * loudness * stage.aspiration;
      const frication = influence * loudness * stage.frication;
      for (const [index, [centerHz, bandwidthHz, gain]] of stage.noise.entries()) {
        frame.noiseGain[index] = (frame.noiseGain[index] as number) + frication * gain;
        // Noise does not glide: its place is that of the louder sound.
        if (frication > strongest) {
          frame.noiseHz[index] = centerHz;
          frame.noiseBandwidthHz[index] = bandwidthHz;
        }
      }
      strongest = Math.max(strongest, frication);
    });
  }
}

function stageSpans(timed: TimedSound, { vowelSpace }: Voice): readonly StageSpan[] {
  const { sound, stress, startSeconds, endSeconds } = timed;
  const spans: StageSpan[] = [];
  const space = vowelSpace * (1 - REDUCTION[stress]);
  let start = startSeconds;
  for (const stage of sound.stages) {
    const end = start + stage.share * (endSeconds - startSeconds);
    spans.push({
      startSeconds: start,
      endSeconds: end,
      stage: sound.isVowel ? scaleVowelSpace(stage, space) : stage,
      loudness: LOUDNESS[stress],
    });
    start = end;
  }
  return spans;
}

function scaleVowelSpace(stage: Stage, space: number): Stage {
  const scale = (index: 0 | 1 | 2): number =>
    NEUTRAL_FORMANTS_HZ[index] * (stage.formantsHz[index] / NEUTRAL_FORMANTS_HZ[index]) ** space;
  return { ...stage, formantsHz: [scale(0), scale(1), scale(2)] };
}
