/** Text, rules and curves of a contact sheet, as SVG. */

export interface MomentText {
  readonly seconds: number;
  /** Symbol of the sound that is said then; empty in a pause. */
  readonly sound: string;
}

/** A mouth opening over time. */
export interface OpeningCurve {
  readonly name: string;
  /** 0 = closed, 1 = wide open; evenly spaced over the clip, the first at its start. */
  readonly openings: readonly number[];
}

export interface SpokenSound {
  readonly symbol: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** What a contact sheet says beside its frames. */
export interface ContactSheetText {
  readonly title: string;
  readonly subtitle: string;
  readonly durationSeconds: number;
  readonly moments: readonly MomentText[];
  /** The first one is drawn strongest. */
  readonly curves: readonly OpeningCurve[];
  /** Written along the time axis. */
  readonly sounds: readonly SpokenSound[];
}

/** Width and height of a frame on the sheet, in pixels. */
export const TILE_SIZE = 184;
const GAP = 10;
const MARGIN = { left: 92, right: 32, bottom: 28 } as const;
const TITLE_Y = 42;
const SUBTITLE_Y = 68;
const HEADS_TOP = 88;
const TILES_TOP = 132;
const PLOT = { gap: 44, height: 150 } as const;
const AXIS_HEIGHT = 50;
const INK = "#1d2733";
const FAINT = "#75808c";
const RULE = "#dfe4e9";
const CURVES = [
  { colour: "#d0433f", width: 2.5, dash: "" },
  { colour: "#8296a8", width: 1.6, dash: "5 4" },
] as const;
export const FONT = "'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif";

export interface SheetLayout {
  readonly width: number;
  readonly height: number;
  /** Left edges of the columns. */
  readonly columns: readonly number[];
  readonly sourceTop: number;
  readonly outputTop: number;
  /** The curves' rectangle; each column owns an equal part of its width. */
  readonly plot: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
}

export function layOut(columnCount: number): SheetLayout {
  const pitch = TILE_SIZE + GAP;
  const width = MARGIN.left + columnCount * pitch + MARGIN.right;
  const outputTop = TILES_TOP + TILE_SIZE + GAP;
  const top = outputTop + TILE_SIZE + PLOT.gap;
  const plot = { left: MARGIN.left, top, width: columnCount * pitch, height: PLOT.height };
  return {
    width,
    height: top + PLOT.height + AXIS_HEIGHT + MARGIN.bottom,
    columns: Array.from(
      { length: columnCount },
      (_, index) => MARGIN.left + GAP / 2 + index * pitch,
    ),
    sourceTop: TILES_TOP,
    outputTop,
    plot,
  };
}

export function contactSheetMarkup(sheet: ContactSheetText): string {
  const layout = layOut(sheet.moments.length);
  const { width, height, sourceTop, outputTop } = layout;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT}">`,
    text(sheet.title, MARGIN.left + GAP / 2, TITLE_Y, { size: 22, weight: 700 }),
    text(sheet.subtitle, MARGIN.left + GAP / 2, SUBTITLE_Y, { size: 14, colour: FAINT }),
    rowName("source", sourceTop),
    rowName("output", outputTop),
    ...sheet.moments.map((moment, index) => columnHead(moment, layout.columns[index] as number)),
    plotMarkup(sheet, layout),
    "</svg>",
  ].join("");
}

function rowName(name: string, top: number): string {
  const y = top + TILE_SIZE / 2 + 5;
  return text(name, MARGIN.left - 10, y, { size: 14, anchor: "end", weight: 700 });
}

function columnHead({ seconds, sound }: MomentText, left: number): string {
  const middle = left + TILE_SIZE / 2;
  const isPause = sound === "";
  const time = { size: 12, colour: FAINT, anchor: "middle" } as const;
  const said = { size: 17, colour: isPause ? FAINT : INK, anchor: "middle", weight: 700 } as const;
  return [
    text(`${seconds.toFixed(2)} s`, middle, HEADS_TOP + 12, time),
    text(isPause ? "pause" : sound, middle, HEADS_TOP + 34, said),
  ].join("");
}

function plotMarkup(sheet: ContactSheetText, layout: SheetLayout): string {
  const { left, top, width, height } = layout.plot;
  const xOf = (seconds: number): number => left + (width * seconds) / sheet.durationSeconds;
  const bottom = top + height;
  const rules = [0, 0.5, 1].map((value) => {
    const y = bottom - value * height;
    return (
      `<path d="M${left} ${y}h${width}" stroke="${RULE}"/>` +
      text(["shut", "half", "wide"][value * 2] ?? "", left - 10, y + 4, {
        size: 11,
        colour: FAINT,
        anchor: "end",
      })
    );
  });
  const markers = sheet.moments.map(({ seconds }) => {
    const x = xOf(seconds);
    const from = layout.outputTop + TILE_SIZE + 4;
    return `<path d="M${x} ${from}V${bottom}" stroke="${RULE}"/>`;
  });
  const [main] = sheet.curves;
  const points = sheet.moments.map(({ seconds }) => {
    const y = bottom - height * openingAt(main, seconds / sheet.durationSeconds);
    return `<circle cx="${xOf(seconds)}" cy="${y}" r="4.5" fill="#fff" stroke="${CURVES[0].colour}" stroke-width="2.5"/>`;
  });
  return [
    ...rules,
    ...markers,
    ...sheet.curves.map((curve, index) => curveMarkup(curve, index, layout)).toReversed(),
    ...points,
    legend(sheet.curves, layout),
    ...sheet.sounds.map((sound) => soundMarkup(sound, xOf, bottom)),
    ...timeMarks(sheet.durationSeconds).map((seconds) =>
      text(`${seconds} s`, xOf(seconds), bottom + 44, {
        size: 11,
        colour: FAINT,
        anchor: "middle",
      }),
    ),
  ].join("");
}

/** The opening at a part of the clip, 0 to 1. */
function openingAt(curve: OpeningCurve | undefined, part: number): number {
  const openings = curve?.openings ?? [];
  const position = Math.min(Math.max(part * openings.length, 0), openings.length - 1);
  const before = openings[Math.floor(position)] ?? 0;
  const after = openings[Math.ceil(position)] ?? before;
  return before + (after - before) * (position % 1);
}

function curveMarkup({ openings }: OpeningCurve, index: number, { plot }: SheetLayout): string {
  const style = CURVES[Math.min(index, CURVES.length - 1)] ?? CURVES[0];
  const bottom = plot.top + plot.height;
  const points = openings.map((opening, place) => {
    const x = plot.left + (plot.width * place) / openings.length;
    return `${x.toFixed(1)} ${(bottom - opening * plot.height).toFixed(1)}`;
  });
  const line = `M${points.join("L")}`;
  const end = plot.left + (plot.width * (openings.length - 1)) / openings.length;
  const area =
    index === 0
      ? `<path d="${line}L${end.toFixed(1)} ${bottom}L${plot.left} ${bottom}Z" fill="${style.colour}" opacity="0.1"/>`
      : "";
  return (
    `${area}<path d="${line}" fill="none" stroke="${style.colour}" stroke-width="${style.width}" ` +
    `stroke-dasharray="${style.dash}" stroke-linejoin="round"/>`
  );
}

function legend(curves: readonly OpeningCurve[], { plot }: SheetLayout): string {
  const y = plot.top - 16;
  return curves
    .map(({ name }, index) => {
      const style = CURVES[Math.min(index, CURVES.length - 1)] ?? CURVES[0];
      const x = plot.left + GAP / 2 + index * 360;
      return (
        `<rect x="${x - 4}" y="${y - 15}" width="350" height="20" fill="#fff"/>` +
        `<path d="M${x} ${y - 5}h26" stroke="${style.colour}" stroke-width="${style.width}" stroke-dasharray="${style.dash}"/>` +
        text(name, x + 34, y, { size: 13 })
      );
    })
    .join("");
}

function soundMarkup(
  { symbol, startSeconds, endSeconds }: SpokenSound,
  xOf: (seconds: number) => number,
  bottom: number,
): string {
  const [start, end] = [xOf(startSeconds), xOf(endSeconds)];
  return (
    `<path d="M${start + 1.5} ${bottom + 7}H${end - 1.5}" stroke="${FAINT}" stroke-width="2"/>` +
    text(symbol, (start + end) / 2, bottom + 22, { size: 11, anchor: "middle" })
  );
}

/** Whole seconds, at most ten of them. */
function timeMarks(durationSeconds: number): number[] {
  const step = Math.max(1, Math.ceil(durationSeconds / 10));
  return Array.from({ length: Math.floor(durationSeconds / step) + 1 }, (_, index) => index * step);
}

export interface TextStyle {
  readonly size: number;
  readonly colour?: string;
  readonly anchor?: "start" | "middle" | "end";
  readonly weight?: number;
}

/** A line of text at a place. */
export function text(content: string, x: number, y: number, style: TextStyle): string {
  const { size, colour = INK, anchor = "start", weight = 400 } = style;
  return (
    `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}" ` +
    `font-weight="${weight}">${escape(content)}</text>`
  );
}

function escape(content: string): string {
  // XML allows no control characters.
  const printable = content.replaceAll(/\p{Cc}/gu, " ");
  return printable.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
