/** What `evaluate` compares a mouth with: another video, openings in a file, or the sound's loudness. */
import { readFile } from "node:fs/promises";
import { decodeSpeech, speechSampleRateHz } from "@ls/audio";
import { LatentSyncError, type Resources, type VideoReader, type VideoSource } from "@ls/core";
import { type LipSyncTruth, speechLoudness } from "@ls/testing";

const FRAMES_PER_SECOND = 25;
const FORMAT_HINT =
  'Write {"openings": [0, 0.1, null, ...]} with one number per frame at 25 frames per second, null where it is not known.';

export interface TruthOptions {
  /** The video that is judged. */
  readonly video: string;
  /** A video, or a file that ends in `.json`; without it the video's own sound is taken. */
  readonly truth: string | undefined;
  readonly source: VideoSource;
  readonly signal: AbortSignal;
}

/** Opens a true video among `resources`, or reads or computes the openings. */
export async function openTruth(
  { video, truth, source, signal }: TruthOptions,
  resources: Resources,
): Promise<VideoReader | LipSyncTruth> {
  if (truth === undefined) return { kind: "loudness", openings: await loudness(video, signal) };
  if (!truth.toLowerCase().endsWith(".json")) {
    return resources.use(await source.open(truth, { signal }));
  }
  return { kind: "openings", openings: parseOpenings(await readTruth(truth, signal), truth) };
}

async function loudness(video: string, signal: AbortSignal): Promise<number[]> {
  try {
    return await speechLoudness(decodeSpeech(video, { signal }), {
      sampleRateHz: speechSampleRateHz,
      framesPerSecond: FRAMES_PER_SECOND,
    });
  } catch (error) {
    if (!LatentSyncError.is(error) || error.code !== "invalid_media") throw error;
    throw new LatentSyncError("invalid_media", error.message, {
      cause: error,
      hint: "Without --truth the video's own sound is what its mouth is compared with: give a truth.",
    });
  }
}

async function readTruth(path: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    signal.throwIfAborted();
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new LatentSyncError(
      missing ? "not_found" : "io",
      missing ? `The truth ${path} does not exist.` : `The truth ${path} cannot be read.`,
      { cause: error, hint: "Check the path and its permissions." },
    );
  }
}

function invalid(path: string, what: string, cause?: unknown): LatentSyncError {
  return new LatentSyncError("invalid_argument", `The truth ${path} ${what}.`, {
    hint: FORMAT_HINT,
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseOpenings(text: string, path: string): (number | undefined)[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, "is not JSON", error);
  }
  const { openings, framesPerSecond = FRAMES_PER_SECOND } = (value ?? {}) as {
    readonly openings?: unknown;
    readonly framesPerSecond?: unknown;
  };
  if (framesPerSecond !== FRAMES_PER_SECOND) {
    throw invalid(
      path,
      `has ${JSON.stringify(framesPerSecond)} frames per second instead of ${FRAMES_PER_SECOND}`,
    );
  }
  if (!Array.isArray(openings) || openings.length === 0) {
    throw invalid(path, "does not hold a list of openings");
  }
  return openings.map((opening: unknown, frame) => {
    if (opening === null) return undefined;
    if (typeof opening === "number" && Number.isFinite(opening)) return opening;
    throw invalid(
      path,
      `has ${JSON.stringify(opening)} at frame ${frame} instead of a number or null`,
    );
  });
}
