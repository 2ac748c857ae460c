/** The demo's contact sheet: frames of source and output over what the new speech does. */
import type { RgbImage } from "@ls/core";
import type { SyntheticSpeech } from "@ls/synthetic";
import { createFfmpegVideoSource } from "@ls/video";
import { renderContactSheet } from "./contact-sheet.ts";
import { type DemoClip, FRAMES_PER_SECOND, SOURCE_TEXT } from "./demo-clip.ts";

const COLUMNS = 8;
/** The face with its hair, in frames of 480x480. */
const FACE_REGION = { x: 80, y: 44, width: 320, height: 320 } as const;
/** Characters of a title. */
const LONGEST_TEXT = 90;
/** Symbol of a pause. */
const SILENCE = "sil";
/** Points of a curve per second. */
const CURVE_RATE_HZ = 50;

export interface DemoSheetOptions {
  readonly clip: DemoClip;
  readonly text: string;
  /** Name of the model that made the output. */
  readonly model: string;
  /** The videos to compare. */
  readonly sourcePath: string;
  readonly outputPath: string;
  readonly signal: AbortSignal;
}

/** @returns PNG */
export async function renderDemoSheet(options: DemoSheetOptions): Promise<Buffer> {
  const { clip, text, model, signal } = options;
  const { sourceSpeech, newSpeech, seconds } = clip;
  const frameCount = Math.floor(seconds * FRAMES_PER_SECOND);
  const indexes = Array.from({ length: COLUMNS }, (_, column) =>
    Math.floor(((column + 0.5) / COLUMNS) * frameCount),
  );
  const source = await readFaces(options.sourcePath, indexes, signal);
  const output = await readFaces(options.outputPath, indexes, signal);
  const openings = (speech: SyntheticSpeech): number[] =>
    Array.from(
      { length: Math.ceil(seconds * CURVE_RATE_HZ) },
      (_, index) => speech.articulationAt(index / CURVE_RATE_HZ).opening,
    );
  const sounds = newSpeech.phones.filter(({ symbol }) => symbol !== SILENCE);
  return renderContactSheet({
    title: `“${shorten(text)}”`,
    subtitle: `A generated person who says “${SOURCE_TEXT}”, synced to the speech of another voice by ${shorten(model)}`,
    durationSeconds: seconds,
    moments: indexes.map((index, column) => {
      const time = index / FRAMES_PER_SECOND;
      const said = sounds.find(
        ({ startSeconds, endSeconds }) => startSeconds <= time && time < endSeconds,
      );
      return {
        seconds: time,
        sound: said?.symbol ?? "",
        source: source[column] as RgbImage,
        output: output[column] as RgbImage,
      };
    }),
    curves: [
      { name: "mouth opening of the new speech", openings: openings(newSpeech) },
      { name: "mouth opening of the source", openings: openings(sourceSpeech) },
    ],
    sounds,
  });
}

/** To fit on the sheet. */
function shorten(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
}

/** The face's part of the frames at `indexes`, which ascend. */
async function readFaces(
  path: string,
  indexes: readonly number[],
  signal: AbortSignal,
): Promise<RgbImage[]> {
  const faces = new Map<number, RgbImage>();
  const range = { start: indexes[0] ?? 0, end: (indexes.at(-1) ?? 0) + 1, signal };
  await using reader = await createFfmpegVideoSource().open(path, { signal });
  for await (const decoded of reader.frames(range)) {
    using frame = decoded;
    if (indexes.includes(frame.index)) faces.set(frame.index, await frame.toRgb(FACE_REGION));
  }
  return indexes.flatMap((index) => faces.get(index) ?? []);
}
