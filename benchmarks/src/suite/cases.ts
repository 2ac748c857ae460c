/** The evaluation sets: fixed scenes and speech, known by name, so that builds can be compared. */
import { LatentSyncError } from "@ls/core";
import {
  createSentence,
  createVoice,
  FIRST_HELD_OUT_SEED,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import { FRAMES_PER_SECOND } from "../clip.ts";
import { emptyScene, personScene, type Scene, twoPeopleScene, withoutFace } from "./scenes.ts";

/** Changes whenever a case does: reports of two sets are never compared. */
export const suiteName = "held-out-1";

/** Frames that the official count of frames adds to the length of the speech. */
const EXTRA_FRAMES = 2;
/** Two chunks of the published models. */
const FRAMES = 32;
const ODD_FRAMES = 27;
const SQUARE = { width: 448, height: 448 } as const;
const ODD = { width: 333, height: 451 } as const;
const WIDE = { width: 640, height: 448 } as const;

/** One clip to lip-sync, and what must come of it. */
export interface SuiteCase {
  readonly name: string;
  /** What the case is there for. */
  readonly description: string;
  readonly scene: Scene;
  /** Frames of the video; it is played forward and back until the speech ends. */
  readonly sourceFrames: number;
  readonly oldSpeech: () => SyntheticSpeech;
  readonly newSpeech: () => SyntheticSpeech;
  readonly expected: ExpectedOutcome;
}

export interface ExpectedOutcome {
  /** Code of the error that the run must end with; `null` if it must succeed. */
  readonly failure: string | null;
  /** Frames of the output. */
  readonly frames: number;
  /** Of them, those in which no face was drawn. */
  readonly framesWithoutFace: number;
}

/** Position in the source of a frame of the output: forward, then back, and so on. */
export function playedFrame(frame: number, sourceFrames: number): number {
  const phase = frame % (2 * sourceFrames);
  return phase < sourceFrames ? phase : 2 * sourceFrames - 1 - phase;
}

interface CaseOptions {
  readonly scene: Scene;
  /** Held-out seeds count from here: the old speech's, and the new one's after it. */
  readonly speechSeed: number;
  readonly frames?: number;
  readonly sourceFrames?: number;
  readonly failure?: string;
}

function defineCase(name: string, description: string, options: CaseOptions): SuiteCase {
  const { scene, speechSeed, frames = FRAMES, sourceFrames = frames, failure = null } = options;
  const seconds = (frames - EXTRA_FRAMES) / FRAMES_PER_SECOND;
  const played = Array.from({ length: frames }, (_, frame) => playedFrame(frame, sourceFrames));
  return {
    name,
    description,
    scene,
    sourceFrames,
    oldSpeech: () => speak(speechSeed, sourceFrames / FRAMES_PER_SECOND),
    newSpeech: () => speak(speechSeed + 1, seconds),
    expected: {
      failure,
      frames,
      framesWithoutFace: played.filter((frame) => !scene.hasFace(frame)).length,
    },
  };
}

function speak(offset: number, seconds: number): SyntheticSpeech {
  const seed = FIRST_HELD_OUT_SEED + offset;
  return synthesizeSpeech({ text: createSentence(seed), voice: createVoice(seed), seed, seconds });
}

const person = (offset: number, size: Scene["size"] = SQUARE): Scene =>
  personScene(FIRST_HELD_OUT_SEED + offset, size);

/** All cases of {@link suiteName}, in the order in which they run. */
export const suiteCases: readonly SuiteCase[] = [
  defineCase("plain", "a face in the middle of the frame", { scene: person(3), speechSeed: 100 }),
  defineCase("glasses", "glasses, above what is repainted", { scene: person(9), speechSeed: 102 }),
  defineCase("beard", "a moustache, dark skin", { scene: person(10), speechSeed: 104 }),
  defineCase("face-leaves", "frames without a face in between", {
    scene: withoutFace(person(7), { from: 10, to: 20 }),
    speechSeed: 106,
  }),
  defineCase("two-people", "a smaller face beside the one that speaks", {
    scene: twoPeopleScene(FIRST_HELD_OUT_SEED + 4, FIRST_HELD_OUT_SEED + 12, WIDE),
    speechSeed: 108,
  }),
  defineCase("audio-longer", "speech that outlasts the video", {
    scene: person(8),
    speechSeed: 110,
    sourceFrames: 14,
  }),
  defineCase("odd-size", "odd width and height, a chunk that is not full", {
    scene: person(11, ODD),
    speechSeed: 112,
    frames: ODD_FRAMES,
  }),
  defineCase("no-face", "no face at all: must end with an error", {
    scene: emptyScene(SQUARE),
    speechSeed: 114,
    failure: "no_face",
  }),
];

/**
 * The cases of these names, in the set's order; all if none are given.
 * @throws LatentSyncError `invalid_argument` for a name that is not in the set.
 */
export function selectCases(names?: readonly string[]): readonly SuiteCase[] {
  if (names === undefined) return suiteCases;
  const known = suiteCases.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0 || names.length === 0) {
    throw new LatentSyncError(
      "invalid_argument",
      `The evaluation set ${suiteName} has no case ${unknown.join(", ") || "of no name"}.`,
      { hint: `Choose some of ${known.join(", ")}.` },
    );
  }
  return suiteCases.filter(({ name }) => names.includes(name));
}
