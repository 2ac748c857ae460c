/**
 * Where a sound is speech, told by level over the noise, voice and change, without a trained model.
 * Works on the whole sound's measurements, 8 bytes for 20 ms, and so knows what comes after a moment
 * as well as what was before it.
 */
import type { SoundObserver } from "./log-mel.ts";
import { type Pitch, PitchMeter } from "./pitch.ts";

/** Mel bands of each level: about 100, 400, 800, 1400, 2200, 3600 to 7000 Hz. */
const LEVEL_BANDS = [2, 10, 21, 34, 45, 59, 77] as const;
const LEVELS = LEVEL_BANDS.length - 1;
/** Slots of 20 ms. */
const SLOTS_PER_SECOND = 50;
const MEL_FRAMES_PER_SLOT = 2;

/** Levels are kept in half decibels over the lowest. */
const LOWEST_DB = -90;
const STEPS_PER_DB = 2;

/** Noise is the least that a level comes to within these seconds before and after. */
const NOISE_SECONDS = 2;
/** A level so far under the loud ones of the sound is noise, whatever is around it. */
const LOUD_TO_NOISE_DB = 40;
/** No level is told from noise below this. */
const QUIETEST_DB = -75;

/** Mean of the levels over the noise with which speech begins and goes on. */
const START_DB = 7;
const STAY_DB = 4;
const HIGHEST_EXCESS_DB = 30;

const PERIODIC = 0.5;
/**
 * The pitch of a voice always glides, and that of a note stands still: the least glide of a voice in
 * 20 ms, the median of those around a slot, in semitones. Notes have 0.015 at most, and of the slots
 * of speech that have a pitch 19 in 20 have 0.065 and more.
 */
const LEAST_GLIDE = 0.03;
const GLIDE_SLOTS = 6;
/** Fewer do not show that a pitch stands still. */
const FEWEST_GLIDES = 6;
/** Glides are kept in steps of this many semitones. */
const GLIDE_STEP = 0.005;
const NO_GLIDE_KNOWN = 255;
/** What a stretch needs of slots with a pitch to be a voice, and not a knock or a breath. */
const VOICE_SLOTS = 3;
/** Consonants without a voice last no longer than this before or after it; breaths do. */
const UNVOICED_SLOTS = 12;
/** The spectrum of speech changes; that of a held tone does not. Mean change of the levels in 40 ms. */
const STEADY_DB = 0.6;

/** Lips move before the sound, and come to rest after it. */
const SLOTS_BEFORE = 6;
const SLOTS_AFTER = 8;
/** Shorter pauses belong to the speech, where the lips do not come to rest. */
const SHORTEST_PAUSE_SLOTS = 15;

/** A list of bytes that grows. */
class Bytes {
  #bytes: Uint8Array = new Uint8Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.length++] = value;
  }

  at(index: number): number {
    return this.#bytes[index] as number;
  }
}

/** Collects measurements while a sound passes. */
export class SpeechActivityMeter implements SoundObserver {
  readonly #levels: readonly Bytes[] = Array.from({ length: LEVELS }, () => new Bytes());
  readonly #periodic: Bytes = new Bytes();
  readonly #glides: Bytes = new Bytes();
  readonly #pitchMeter: PitchMeter = new PitchMeter((pitch) => this.#addPitch(pitch));
  #lastPitch: Pitch = { strength: 0, semitones: 0 };
  readonly #sums: Float64Array = new Float64Array(LEVELS);
  #melFrames = 0;

  /** Takes the next samples at 16 kHz. */
  addSamples(samples: Float32Array): void {
    this.#pitchMeter.push(samples);
  }

  /** Takes the power of the 80 bands of the next mel frame. */
  addSpectrum(power: Float64Array): void {
    for (let level = 0; level < LEVELS; level++) {
      const [first, end] = [LEVEL_BANDS[level] as number, LEVEL_BANDS[level + 1] as number];
      for (let band = first; band < end; band++) {
        this.#sums[level] = (this.#sums[level] as number) + (power[band] as number);
      }
    }
    if (++this.#melFrames % MEL_FRAMES_PER_SLOT === 0) this.#endSlot();
  }

  #addPitch(pitch: Pitch): void {
    const isKnown = Math.min(pitch.strength, this.#lastPitch.strength) >= PERIODIC;
    const glide = Math.abs(pitch.semitones - this.#lastPitch.semitones) / GLIDE_STEP;
    this.#periodic.push(pitch.strength >= PERIODIC ? 1 : 0);
    this.#glides.push(isKnown ? Math.min(Math.round(glide), NO_GLIDE_KNOWN - 1) : NO_GLIDE_KNOWN);
    this.#lastPitch = pitch;
  }

  #endSlot(): void {
    for (const [level, bytes] of this.#levels.entries()) {
      const decibels = 10 * Math.log10(Math.max(this.#sums[level] as number, 1e-12));
      bytes.push(Math.min(255, Math.max(0, Math.round((decibels - LOWEST_DB) * STEPS_PER_DB))));
    }
    this.#sums.fill(0);
  }

  /** Whether there is speech, for each of `frameCount` video frames. */
  voicedFrames(frameCount: number, framesPerSecond: number): readonly boolean[] {
    const slots = this.#levels[0]?.length ?? 0;
    const levels = this.#levels.map((bytes) => smoothed(bytes, slots));
    const excess = excessOverNoise(levels, slots);
    const voiced = new Uint8Array(slots);
    for (const { start, end } of loudStretches(excess)) {
      const voice = this.#voiceSlots(start, end);
      if (voice.length < VOICE_SLOTS || typicalChange(levels, start, end) < STEADY_DB) continue;
      for (const slot of voice) {
        const from = Math.max(start, slot - UNVOICED_SLOTS) - SLOTS_BEFORE;
        const to = Math.min(end, slot + UNVOICED_SLOTS) + SLOTS_AFTER;
        voiced.fill(1, Math.max(0, from), Math.min(slots, to));
      }
    }
    fillShortPauses(voiced);
    return Array.from({ length: frameCount }, (_, frame) => {
      const slot = Math.floor((frame * SLOTS_PER_SECOND) / framesPerSecond);
      return voiced[Math.min(slot, slots - 1)] === 1;
    });
  }

  /** Slots with a pitch that glides as a voice does. */
  #voiceSlots(start: number, end: number): readonly number[] {
    const slots: number[] = [];
    for (let slot = start; slot < Math.min(end, this.#periodic.length); slot++) {
      if (this.#periodic.at(slot) === 1 && this.#glidesAt(slot)) slots.push(slot);
    }
    return slots;
  }

  #glidesAt(slot: number): boolean {
    const glides: number[] = [];
    const end = Math.min(slot + GLIDE_SLOTS + 1, this.#glides.length);
    for (let other = Math.max(0, slot - GLIDE_SLOTS + 1); other < end; other++) {
      const glide = this.#glides.at(other);
      if (glide !== NO_GLIDE_KNOWN) glides.push(glide);
    }
    const median = glides.toSorted((a, b) => a - b)[glides.length >> 1] ?? 0;
    return glides.length < FEWEST_GLIDES || median * GLIDE_STEP >= LEAST_GLIDE;
  }
}

/** In decibels, the mean of three slots. */
function smoothed(bytes: Bytes, slots: number): Float32Array {
  return Float32Array.from({ length: slots }, (_, slot) => {
    const before = bytes.at(Math.max(slot - 1, 0));
    const after = bytes.at(Math.min(slot + 1, slots - 1));
    return (before + bytes.at(slot) + after) / 3 / STEPS_PER_DB + LOWEST_DB;
  });
}

/** Decibels over the noise, the mean of all levels. */
function excessOverNoise(levels: readonly Float32Array[], slots: number): Float32Array {
  const excess = new Float32Array(slots);
  for (const level of levels) {
    const loud = level.toSorted()[Math.floor(0.95 * (slots - 1))] ?? QUIETEST_DB;
    const least = Math.max(loud - LOUD_TO_NOISE_DB, QUIETEST_DB);
    const minima = surroundingMinima(level);
    for (let slot = 0; slot < slots; slot++) {
      const over = (level[slot] as number) - Math.max(minima(slot), least);
      const bounded = Math.min(Math.max(over, 0), HIGHEST_EXCESS_DB);
      excess[slot] = (excess[slot] as number) + bounded / levels.length;
    }
  }
  return excess;
}

/** The least value within {@link NOISE_SECONDS}, by blocks of 0.2 s. */
function surroundingMinima(level: Float32Array): (slot: number) => number {
  const block = SLOTS_PER_SECOND / 5;
  const reach = NOISE_SECONDS * 5;
  const minima = Array.from({ length: Math.ceil(level.length / block) }, (_, index) =>
    Math.min(...level.subarray(index * block, (index + 1) * block)),
  );
  const least = minima.map((_, index) =>
    Math.min(...minima.slice(Math.max(0, index - reach), index + reach + 1)),
  );
  return (slot) => least[Math.floor(slot / block)] as number;
}

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Where the excess reaches the start's threshold, as far as it stays above the other one. */
function* loudStretches(excess: Float32Array): Generator<Stretch> {
  let start: number | undefined;
  let started = false;
  for (let slot = 0; slot <= excess.length; slot++) {
    const value = excess[slot] ?? 0;
    if (value >= STAY_DB) {
      start ??= slot;
      started ||= value >= START_DB;
      continue;
    }
    if (start !== undefined && started) yield { start, end: slot };
    start = undefined;
    started = false;
  }
}

/** How much the shape of the spectrum changes within 40 ms: the median over a stretch. */
function typicalChange(levels: readonly Float32Array[], start: number, end: number): number {
  const changes: number[] = [];
  for (let slot = start + 2; slot < end; slot++) {
    const steps = levels.map((level) => (level[slot] as number) - (level[slot - 2] as number));
    const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
    changes.push(steps.reduce((sum, step) => sum + Math.abs(step - mean), 0) / steps.length);
  }
  return changes.toSorted((a, b) => a - b)[Math.floor(changes.length / 2)] ?? 0;
}

function fillShortPauses(voiced: Uint8Array): void {
  let lastVoiced = -1;
  for (let slot = 0; slot < voiced.length; slot++) {
    if (voiced[slot] === 0) continue;
    if (lastVoiced >= 0 && slot - lastVoiced <= SHORTEST_PAUSE_SLOTS) {
      voiced.fill(1, lastVoiced, slot);
    }
    lastVoiced = slot;
  }
}
