import { LatentSyncError } from "@ls/core";
import type { RandomNumbers } from "../random.ts";
import type { WordSound } from "./lexicon.ts";
import { pronounce } from "./pronunciation.ts";
import { SOUNDS, type Sound } from "./sounds.ts";

/** A sound with its time. */
export interface TimedSound {
  /** ARPAbet without stress, or `sil`. */
  readonly symbol: string;
  readonly sound: Sound;
  readonly startSeconds: number;
  readonly endSeconds: number;
  /** Of the syllable: 0 = unstressed, 1 = primary, 2 = secondary. */
  readonly stress: WordSound["stress"];
  /** Counts phrases from 0; a pause belongs to the phrase before it. */
  readonly phrase: number;
  readonly isQuestion: boolean;
}

interface Word {
  readonly sounds: readonly WordSound[];
  /** The punctuation mark after it, or "". */
  readonly mark: string;
}

export interface Timing {
  readonly speakingRate: number;
  readonly random: RandomNumbers;
  /** Stop here, to the sample; the text is said again and again until then. */
  readonly seconds: number | undefined;
}

const LEAD_SECONDS = 0.16;
const TAIL_SECONDS = 0.25;
/** People breathe after about so many words. */
const LONGEST_PHRASE_WORDS = 9;

/** The sounds of a text with their times, without gaps from 0 to the end, with pauses as `sil`. */
export function timeText(text: string, timing: Timing): readonly TimedSound[] {
  const phrases = splitPhrases(readWords(text));
  const clock = new Clock(timing);
  do {
    for (const [index, phrase] of phrases.entries()) {
      clock.pause(index === 0 && clock.isAtStart ? LEAD_SECONDS : undefined);
      clock.say(phrase);
    }
  } while (timing.seconds !== undefined && !clock.isOver);
  clock.pause(TAIL_SECONDS);
  return clock.sounds;
}

function readWords(text: string): readonly Word[] {
  const plain = text
    .normalize("NFD")
    .replaceAll(/\p{Mn}/gu, "")
    .replaceAll("\u2019", "'")
    .toLowerCase();
  if (!/[a-z]/.test(plain)) {
    throw new LatentSyncError(
      "invalid_argument",
      `text is ${JSON.stringify(text.slice(0, 40))}; at least one letter from A to Z is expected.`,
      { hint: "Pass a sentence in Latin letters." },
    );
  }
  return Array.from(
    plain.matchAll(/([a-z0-9][a-z0-9']*)([^a-z0-9]*)/g),
    ([, word = "", after = ""]) => ({
      sounds: pronounce(word.replace(/'+$/, "")),
      mark: /[.,;:!?\u2014\n]/.exec(after)?.[0] ?? "",
    }),
  );
}

function splitPhrases(words: readonly Word[]): readonly (readonly Word[])[] {
  const phrases: Word[][] = [];
  let phrase: Word[] = [];
  for (const [index, word] of words.entries()) {
    phrase.push(word);
    // No breath before the last word or two.
    const isLong = phrase.length >= LONGEST_PHRASE_WORDS && index < words.length - 3;
    if (word.mark !== "" || isLong) {
      phrases.push(phrase);
      phrase = [];
    }
  }
  if (phrase.length > 0) phrases.push(phrase);
  return phrases;
}

/** Lays sounds one after the other. */
class Clock {
  readonly sounds: TimedSound[] = [];
  readonly #timing: Timing;
  #seconds = 0;
  #phrase = 0;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  get isAtStart(): boolean {
    return this.sounds.length === 0;
  }

  get isOver(): boolean {
    return this.#timing.seconds !== undefined && this.#seconds >= this.#timing.seconds;
  }

  pause(seconds: number = this.#timing.random.between(0.2, 0.5)): void {
    this.#add({ symbol: "sil", stress: 0 }, seconds, false);
  }

  say(phrase: readonly Word[]): void {
    const isQuestion = phrase.at(-1)?.mark === "?";
    const sounds = phrase.flatMap((word) => spreadStress(word.sounds));
    const finalVowel = sounds.findLastIndex(({ symbol }) => SOUNDS[symbol]?.isVowel);
    for (const [index, sound] of sounds.entries()) {
      const before = sounds[index - 1];
      const after = sounds[index + 1];
      const duration = this.#duration(sound, [before, after], index >= finalVowel);
      this.#add(sound, duration, isQuestion);
    }
    this.#phrase++;
  }

  /** Klatt's rule: only what is above the shortest duration stretches. */
  #duration(
    { symbol, stress }: WordSound,
    neighbours: readonly (WordSound | undefined)[],
    isFinal: boolean,
  ): number {
    const { isVowel, seconds, shortestSeconds } = SOUNDS[symbol] as Sound;
    let factor = this.#timing.random.between(0.76, 0.98);
    if (isVowel) factor *= [0.6, 1.05, 0.85][stress] as number;
    else if (stress !== 1) factor *= 0.8;
    const isInCluster = neighbours.some((sound) => sound && !SOUNDS[sound.symbol]?.isVowel);
    if (!isVowel && isInCluster) factor *= 0.75;
    if (isFinal) factor *= 1.25;
    const duration = shortestSeconds + Math.max(0, seconds * factor - shortestSeconds);
    return duration / this.#timing.speakingRate;
  }

  #add({ symbol, stress }: WordSound, seconds: number, isQuestion: boolean): void {
    if (this.isOver) return;
    const end = Math.min(this.#seconds + seconds, this.#timing.seconds ?? Infinity);
    this.sounds.push({
      symbol,
      sound: SOUNDS[symbol] as Sound,
      startSeconds: this.#seconds,
      endSeconds: end,
      stress,
      phrase: this.#phrase,
      isQuestion,
    });
    this.#seconds = end;
  }
}

/** Consonants before a vowel, and the one after it, carry its stress. */
function spreadStress(sounds: readonly WordSound[]): readonly WordSound[] {
  return sounds.map((sound, index) => {
    if (SOUNDS[sound.symbol]?.isVowel) return sound;
    const following = sounds.slice(index).find(({ symbol }) => SOUNDS[symbol]?.isVowel);
    const preceding = sounds.slice(0, index).findLast(({ symbol }) => SOUNDS[symbol]?.isVowel);
    return { ...sound, stress: (following ?? preceding)?.stress ?? 0 };
  });
}
