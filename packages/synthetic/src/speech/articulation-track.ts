import type { Articulation } from "../articulation.ts";
import { Dominance, type Span } from "./dominance.ts";
import type { MouthTarget } from "./sounds.ts";
import type { TimedSound } from "./utterance.ts";

/** How fast lips move: 10 % to 90 % of a way in 4.4 time constants, 110 ms. */
const LIP_SECONDS = 0.025;
/** The mouth is ahead of the sound. */
const LEAD_SECONDS = 0.03;
/** Stressed vowels open wider, unstressed ones less. */
const WIDENING = [0.85, 1.08, 1] as const;

interface MouthSpan extends Span {
  readonly mouth: MouthTarget;
}

const clamp = (value: number, low: number): number => Math.min(1, Math.max(low, value));

/** What the mouth does at any time of an utterance; a pure function of its sounds and their times. */
export class ArticulationTrack {
  readonly #dominance: Dominance<MouthSpan>;

  constructor(sounds: readonly TimedSound[]) {
    this.#dominance = new Dominance(sounds.flatMap(mouthSpans), LIP_SECONDS);
  }

  at(seconds: number): Articulation {
    const sums = { opening: 0, spread: 0, teeth: 0, tongue: 0 };
    const holds = { opening: 0, spread: 0, teeth: 0, tongue: 0 };
    this.#dominance.forEachFelt(seconds + LEAD_SECONDS, ({ mouth }, influence) => {
      sums.opening += influence * mouth.openingHold * mouth.opening;
      holds.opening += influence * mouth.openingHold;
      sums.spread += influence * mouth.spreadHold * mouth.spread;
      holds.spread += influence * mouth.spreadHold;
      sums.teeth += influence * mouth.teethHold * mouth.teeth;
      holds.teeth += influence * mouth.teethHold;
      sums.tongue += influence * mouth.tongueHold * mouth.tongue;
      holds.tongue += influence * mouth.tongueHold;
    });
    return {
      opening: clamp(sums.opening / holds.opening, 0),
      spread: clamp(sums.spread / holds.spread, -1),
      teeth: clamp(sums.teeth / holds.teeth, 0),
      tongue: clamp(sums.tongue / holds.tongue, 0),
    };
  }
}

function mouthSpans({ sound, stress, startSeconds, endSeconds }: TimedSound): readonly MouthSpan[] {
  const step = (endSeconds - startSeconds) / sound.mouths.length;
  return sound.mouths.map((mouth, index) => ({
    startSeconds: startSeconds + index * step,
    endSeconds: startSeconds + (index + 1) * step,
    mouth: sound.isVowel ? { ...mouth, opening: mouth.opening * WIDENING[stress] } : mouth,
  }));
}
