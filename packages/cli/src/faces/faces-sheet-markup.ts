/** Text and rules of the sheet of a video's faces, as SVG. */
import { FONT, text } from "../demo/contact-sheet-markup.ts";
import { formatDuration } from "../terminal.ts";
import type { TrackSummary } from "./track-summary.ts";

/** Side of a picture of a face on the sheet, in pixels. */
export const TILE_SIZE = 132;
const GAP = 8;
const MARGIN = 28;
const TOP = 92;
const BOTTOM = 58;
const LEFT = 300;
const TIME_HEIGHT = 20;
const BAR_HEIGHT = 7;
const ROW_HEIGHT: number = TILE_SIZE + TIME_HEIGHT + BAR_HEIGHT + 22;
const INK = "#1d2733";
const FAINT = "#75808c";
const RULE = "#dfe4e9";
const SEEN = "#3f7fb5";

/** What the sheet says beside its pictures. */
export interface FacesSheetText {
  readonly title: string;
  readonly subtitle: string;
  readonly durationSeconds: number;
  /** One row each. */
  readonly tracks: readonly TrackSummary[];
  /** Times of each row's pictures. */
  readonly times: readonly (readonly number[])[];
  readonly footer: string;
}

export interface FacesSheetLayout {
  readonly width: number;
  readonly height: number;
  readonly columns: readonly number[];
  /** Top edges of the rows' pictures. */
  readonly rows: readonly number[];
}

export function layOutFaces(rowCount: number, columnCount: number): FacesSheetLayout {
  const pitch = TILE_SIZE + GAP;
  return {
    width: LEFT + columnCount * pitch + MARGIN,
    height: TOP + rowCount * ROW_HEIGHT + BOTTOM,
    columns: Array.from({ length: columnCount }, (_, column) => LEFT + column * pitch),
    rows: Array.from({ length: rowCount }, (_, row) => TOP + row * ROW_HEIGHT),
  };
}

export function facesSheetMarkup(sheet: FacesSheetText, layout: FacesSheetLayout): string {
  const { width, height } = layout;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT}">`,
    text(sheet.title, MARGIN, 42, { size: 22, weight: 700 }),
    text(sheet.subtitle, MARGIN, 66, { size: 14, colour: FAINT }),
    ...sheet.tracks.map((track, row) => rowMarkup(sheet, layout, track, row)),
    text(sheet.footer, MARGIN, height - 24, { size: 13, colour: FAINT }),
    "</svg>",
  ].join("");
}

function rowMarkup(
  sheet: FacesSheetText,
  { columns, rows, width }: FacesSheetLayout,
  track: TrackSummary,
  row: number,
): string {
  const top = rows[row] as number;
  const times = sheet.times[row] ?? [];
  const bar = { y: top + TILE_SIZE + TIME_HEIGHT, width: width - MARGIN - LEFT - GAP };
  const x = MARGIN + 64;
  return [
    text(`${track.number}`, MARGIN, top + 46, { size: 44, weight: 700 }),
    ...describeTrack(track).map((line, index) =>
      text(line, x, top + 22 + index * 24, { size: 15, colour: index === 0 ? INK : FAINT }),
    ),
    ...times.map((seconds, column) =>
      text(
        `${seconds.toFixed(2)} s`,
        (columns[column] as number) + TILE_SIZE / 2,
        top + TILE_SIZE + 14,
        {
          size: 11,
          colour: FAINT,
          anchor: "middle",
        },
      ),
    ),
    `<rect x="${LEFT}" y="${bar.y}" width="${bar.width}" height="${BAR_HEIGHT}" fill="${RULE}"/>`,
    ...track.intervals.map(({ startSeconds, endSeconds }) => {
      const scale = bar.width / sheet.durationSeconds;
      const length = Math.max(1, (endSeconds - startSeconds) * scale);
      return `<rect x="${LEFT + startSeconds * scale}" y="${bar.y}" width="${length}" height="${BAR_HEIGHT}" fill="${SEEN}"/>`;
    }),
  ].join("");
}

/** When, how large and how much speaking, in a few words each. */
export function describeTrack({ intervals, box, frames, speakingShare }: TrackSummary): string[] {
  const start = intervals[0]?.startSeconds ?? 0;
  const end = intervals.at(-1)?.endSeconds ?? 0;
  const times = intervals.length === 1 ? "" : `, ${intervals.length} times`;
  return [
    `${formatTime(start)} to ${formatTime(end)}${times}`,
    `${frames} frames`,
    `${Math.round(box.width)} x ${Math.round(box.height)} pixels`,
    speakingShare === null
      ? "speaking: not known"
      : `speaking ${Math.round(speakingShare * 100)} %`,
  ];
}

/** Tenths below a minute. */
function formatTime(seconds: number): string {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : formatDuration(seconds);
}
