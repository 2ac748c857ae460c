import type { RandomNumbers } from "../random.ts";
import type { TimedSound } from "./utterance.ts";
import type { Voice } from "./voice.ts";

/** Semitones: where a phrase starts and ends, its accents, and the movement at its end. */
const PHRASE_START = 2;
const PHRASE_END = -2.5;
const ACCENT = [1.5, 4] as const;
const FINAL_FALL = -3;
const FINAL_RISE = 6;
/** Width of an accent: standard deviation. */
const ACCENT_SECONDS = 0.09;
/** The final movement starts so long before the end. */
const FINAL_SECONDS = 0.22;

/**
 * Intonation after the textbook of English: pitch declines through a phrase, rises on stressed
 * syllables, and falls at the end or, in a question, rises.
 *
 * @param stepSeconds between values
 * @returns fundamental frequency in Hz for each step
 */
export function drawPitch(
  sounds: readonly TimedSound[],
  { pitchHz, intonationRange }: Voice,
  { stepSeconds, random }: { readonly stepSeconds: number; readonly random: RandomNumbers },
): Float32Array {
  const seconds = sounds.at(-1)?.endSeconds ?? 0;
  const semitones = new Float32Array(Math.ceil(seconds / stepSeconds) + 2);
  for (const phrase of groupPhrases(sounds)) addPhrase(semitones, phrase, stepSeconds);
  for (const { sound, stress, startSeconds, endSeconds } of sounds) {
    if (!sound.isVowel || stress === 0) continue;
    const height = random.between(ACCENT[0], ACCENT[1]) * (stress === 1 ? 1 : 0.5);
    addAccent(semitones, (startSeconds + endSeconds) / 2, { height, stepSeconds });
  }
  return semitones.map((semitone) => pitchHz * 2 ** ((semitone * intonationRange) / 12));
}

function groupPhrases(sounds: readonly TimedSound[]): readonly (readonly TimedSound[])[] {
  const spoken = sounds.filter(({ symbol }) => symbol !== "sil");
  return [...Map.groupBy(spoken, ({ phrase }) => phrase).values()];
}

function addPhrase(
  semitones: Float32Array,
  phrase: readonly TimedSound[],
  stepSeconds: number,
): void {
  const start = phrase[0]?.startSeconds ?? 0;
  const end = phrase.at(-1)?.endSeconds ?? 0;
  const final = phrase[0]?.isQuestion ? FINAL_RISE : FINAL_FALL;
  const endIndex = Math.min(semitones.length, Math.ceil(end / stepSeconds));
  for (let index = Math.floor(start / stepSeconds); index < endIndex; index++) {
    const seconds = index * stepSeconds;
    const progress = Math.max(0, (seconds - start) / (end - start));
    const ending = Math.max(0, 1 - (end - seconds) / FINAL_SECONDS);
    semitones[index] =
      PHRASE_START + (PHRASE_END - PHRASE_START) * progress + final * ending * ending;
  }
}

function addAccent(
  semitones: Float32Array,
  centerSeconds: number,
  { height, stepSeconds }: { readonly height: number; readonly stepSeconds: number },
): void {
  const reach = 3 * ACCENT_SECONDS;
  const first = Math.max(0, Math.floor((centerSeconds - reach) / stepSeconds));
  const last = Math.min(semitones.length - 1, Math.ceil((centerSeconds + reach) / stepSeconds));
  for (let index = first; index <= last; index++) {
    const distance = (index * stepSeconds - centerSeconds) / ACCENT_SECONDS;
    semitones[index] = (semitones[index] as number) + height * Math.exp(-0.5 * distance * distance);
  }
}
