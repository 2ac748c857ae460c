/** A picture of the people in a video, with the numbers to choose them by. */
import type { Rectangle, RgbImage, VideoReader } from "@ls/core";
import sharp from "sharp";
import { facesSheetMarkup, layOutFaces, TILE_SIZE } from "./faces-sheet-markup.ts";
import type { TrackSample, TrackSummary, VideoFaces } from "./track-summary.ts";

/** Moments of each person that are shown. */
export const SAMPLES_PER_TRACK = 6;
/** People on a sheet, those who are seen longest. */
const MOST_ROWS = 40;
/** Side of a picture, in those of the face. */
const SURROUNDINGS = 1.7;

export interface FacesSheetOptions extends VideoFaces {
  readonly title: string;
  /** The video once more, to take the pictures from. */
  readonly reader: VideoReader;
  readonly signal: AbortSignal;
}

/** @returns PNG */
export async function renderFacesSheet(options: FacesSheetOptions): Promise<Buffer> {
  const { reader, frameCount, title, signal } = options;
  const shown = longestSeen(options.tracks);
  const samples = shown.map(({ number }) => options.samples.get(number) ?? []);
  const pictures = await takePictures(reader, samples.flat(), signal);
  const { width, height, framesPerSecond } = reader.info;
  const durationSeconds = frameCount / framesPerSecond;
  const layout = layOutFaces(shown.length, SAMPLES_PER_TRACK);
  const markup = facesSheetMarkup(
    {
      title,
      subtitle: `${width} x ${height} pixels, ${durationSeconds.toFixed(2)} s, ${plural(options.tracks.length, "face")}`,
      durationSeconds,
      tracks: shown,
      times: samples.map((row) => row.map(({ seconds }) => seconds)),
      footer: footerOf(options.tracks.length, shown.length),
    },
    layout,
  );
  const tiles = samples.flatMap((row, rowIndex) =>
    row.map((sample, column) => ({
      input: pictures.get(sample) as Buffer,
      left: layout.columns[column] as number,
      top: layout.rows[rowIndex] as number,
    })),
  );
  const canvas = { width: layout.width, height: layout.height, channels: 3, background: "#ffffff" };
  return sharp({ create: { ...canvas, channels: 3 } })
    .composite([{ input: Buffer.from(markup), left: 0, top: 0 }, ...tiles])
    .png()
    .toBuffer();
}

function longestSeen(tracks: readonly TrackSummary[]): readonly TrackSummary[] {
  return tracks
    .toSorted((a, b) => b.frames - a.frames)
    .slice(0, MOST_ROWS)
    .toSorted((a, b) => a.number - b.number);
}

function footerOf(all: number, shown: number): string {
  if (all === 0) return "No face was found.";
  const more = all > shown ? ` ${plural(all - shown, "more face")}, seen for less, not shown.` : "";
  return `Choose one with --face NUMBER, or all of them with --face all.${more}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Pictures of faces, read in the order of the video. */
async function takePictures(
  reader: VideoReader,
  samples: readonly TrackSample[],
  signal: AbortSignal,
): Promise<ReadonlyMap<TrackSample, Buffer>> {
  const pictures = new Map<TrackSample, Buffer>();
  const byFrame = Map.groupBy(samples, ({ index }) => index);
  for (const start of [...byFrame.keys()].toSorted((a, b) => a - b)) {
    for await (const decoded of reader.frames({ start, end: start + 1, signal })) {
      using frame = decoded;
      for (const sample of byFrame.get(start) ?? []) {
        const image = await frame.toRgb(regionAround(sample.box, frame.width, frame.height));
        pictures.set(sample, await tileOf(image));
      }
    }
  }
  return pictures;
}

/** A square around a face, as much of it as lies in the frame. */
function regionAround(box: Rectangle, width: number, height: number): Rectangle {
  const side = SURROUNDINGS * Math.max(box.width, box.height);
  const left = clamp(box.x + (box.width - side) / 2, width - 1);
  const top = clamp(box.y + (box.height - side) / 2, height - 1);
  const right = clamp(box.x + (box.width + side) / 2, width);
  const bottom = clamp(box.y + (box.height + side) / 2, height);
  return {
    x: left,
    y: top,
    width: Math.max(1, right - left),
    height: Math.max(1, bottom - top),
  };
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(Math.round(value), 0), most);
}

function tileOf({ width, height, data }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .resize(TILE_SIZE, TILE_SIZE, { fit: "contain", background: "#ffffff" })
    .png({ compressionLevel: 1 })
    .toBuffer();
}
