/** The picture of an evaluation, as SVG: openings over time, and correlation against lag. */
import type { Curve, LipSyncEvaluation, TruthKind } from "@ls/testing";

const FRAMES_PER_SECOND = 25;
const WIDTH = 1100;
const HEIGHT = 640;
/** More than this is too dense to see a shift of a frame. */
const LONGEST_SECONDS = 20;

const COLOURS = {
  measured: "#1d5fb4",
  truth: "#e2711d",
  source: "#8a8f98",
  text: "#22262b",
  label: "#5a616b",
  grid: "#e4e7eb",
} as const;

const TRUTHS: Readonly<Record<TruthKind, string>> = {
  video: "true video",
  openings: "truth, scaled to the mouth",
  loudness: "loudness of the speech, scaled to the mouth",
};

/** Where a panel lies in the drawing, in its units, and what its axes show. */
interface Panel {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly x: readonly [from: number, to: number];
  readonly y: readonly [from: number, to: number];
}

interface Line {
  readonly name: string;
  readonly colour: string;
  readonly width: number;
  readonly dash: string;
  readonly curve: Curve;
}

/** An SVG document. @param title the name of the video */
export function drawEvaluation(evaluation: LipSyncEvaluation, title: string): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(title, 70, 32, { size: 17, weight: "bold" }),
    ...drawOpenings(evaluation),
    ...drawLags(evaluation),
    ...drawFigures(evaluation),
    `</svg>\n`,
  ].join("\n");
}

function drawOpenings({ frames, openings, truth }: LipSyncEvaluation): string[] {
  const scaled =
    truth.kind === "video" ? openings.truth : scaleTo(openings.truth, openings.measured);
  const lines: Line[] = [
    ...(openings.source === null
      ? []
      : [
          {
            name: "source video",
            colour: COLOURS.source,
            width: 1.3,
            dash: "",
            curve: openings.source,
          },
        ]),
    { name: TRUTHS[truth.kind], colour: COLOURS.truth, width: 2, dash: "6 3", curve: scaled },
    {
      name: "this video",
      colour: COLOURS.measured,
      width: 2,
      dash: "",
      curve: openings.measured,
    },
  ];
  const shown = Math.min(frames, LONGEST_SECONDS * FRAMES_PER_SECOND);
  const values = lines.flatMap(({ curve }) => curve.slice(0, shown)).filter((v) => v !== null);
  const seconds = Math.max(shown - 1, 1) / FRAMES_PER_SECOND;
  const panel: Panel = {
    left: 70,
    top: 86,
    width: WIDTH - 100,
    height: 240,
    x: [0, seconds],
    y: [Math.min(0, ...values), Math.max(0.05, ...values) * 1.05],
  };
  const part = shown < frames ? `, the first ${LONGEST_SECONDS} s` : "";
  return [
    ...drawLegend(lines, panel),
    ...drawAxes(panel, `time in seconds${part}`, "mouth opening / eye distance"),
    ...lines.map((line) =>
      drawCurve(
        panel,
        line,
        line.curve.slice(0, shown).map((value, frame) => [frame / FRAMES_PER_SECOND, value]),
      ),
    ),
  ];
}

/** A curve with the mean and the deviation of another: correlation does not see either. */
function scaleTo(curve: Curve, target: Curve): Curve {
  const [from, to] = [momentsOf(curve), momentsOf(target)];
  const gain = from.deviation === 0 ? 0 : to.deviation / from.deviation;
  return curve.map((value) => (value === null ? null : to.mean + (value - from.mean) * gain));
}

function momentsOf(curve: Curve): { readonly mean: number; readonly deviation: number } {
  const values = curve.filter((value) => value !== null);
  if (values.length === 0) return { mean: 0, deviation: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

function drawLags({ lags, bestLag }: LipSyncEvaluation): string[] {
  const values = lags.flatMap(({ correlation }) => correlation ?? []);
  const furthest = Math.max(1, ...lags.map(({ lagFrames }) => Math.abs(lagFrames)));
  const panel: Panel = {
    left: 70,
    top: 404,
    width: 600,
    height: 180,
    x: [-furthest, furthest],
    y: [Math.min(0, ...values) < 0 ? Math.min(-0.25, ...values) : 0, 1],
  };
  const line = { colour: COLOURS.measured, width: 2, dash: "" };
  const mark = (x: number, y: number): string =>
    `<circle cx="${place(panel, "x", x)}" cy="${place(panel, "y", y)}" r="5" fill="${COLOURS.truth}" stroke="#ffffff" stroke-width="1.5"/>`;
  return [
    ...drawAxes(panel, "lag in frames of 40 ms: the mouth early (-) or late (+)", "correlation"),
    drawCurve(
      panel,
      line,
      lags.map(({ lagFrames, correlation }) => [lagFrames, correlation]),
    ),
    ...(bestLag === null ? [] : [mark(bestLag.lagFrames, bestLag.correlation)]),
  ];
}

function drawFigures(evaluation: LipSyncEvaluation): string[] {
  const { correlation, bestLag, sourceCorrelation, ssimOutsideFace, mouthPsnrDb } = evaluation;
  const figures: readonly (readonly [label: string, value: string | undefined])[] = [
    ["correlation with the truth", correlation?.toFixed(3) ?? "not defined"],
    ["best lag", bestLag === null ? "not defined" : frameCount(bestLag.lagFrames)],
    ["correlation with the source", sourceCorrelation?.toFixed(3)],
    ["SSIM outside the face", ssimOutsideFace?.toFixed(4)],
    ["PSNR of the mouth", mouthPsnrDb === null ? undefined : `${mouthPsnrDb.toFixed(1)} dB`],
    ["movement of the mouth", evaluation.movement.measured?.toFixed(3)],
    ["frames without a face", `${evaluation.framesWithoutFace} of ${evaluation.frames}`],
  ];
  return figures
    .filter(([, value]) => value !== undefined)
    .flatMap(([label, value = ""], row) => {
      const y = 420 + row * 29;
      return [
        text(label, 730, y, { colour: COLOURS.label }),
        text(value, WIDTH - 30, y, { size: 15, weight: "bold", anchor: "end" }),
      ];
    });
}

function frameCount(lagFrames: number): string {
  const sign = lagFrames > 0 ? "+" : "";
  return `${sign}${lagFrames} ${Math.abs(lagFrames) === 1 ? "frame" : "frames"}`;
}

/** A number on an axis in units of the drawing, to a hundredth. */
function place(panel: Panel, axis: "x" | "y", value: number): number {
  const [from, to] = panel[axis];
  const share = (value - from) / (to - from);
  const at =
    axis === "x" ? panel.left + share * panel.width : panel.top + (1 - share) * panel.height;
  return Math.round(at * 100) / 100;
}

/** A line through the points, broken where a value is missing. */
function drawCurve(
  panel: Panel,
  { colour, width, dash }: Pick<Line, "colour" | "width" | "dash">,
  points: readonly (readonly [x: number, y: number | null])[],
): string {
  let isDrawing = false;
  const path = points.map(([x, y]) => {
    if (y === null) {
      isDrawing = false;
      return "";
    }
    const command = isDrawing ? "L" : "M";
    isDrawing = true;
    return `${command}${place(panel, "x", x)} ${place(panel, "y", y)}`;
  });
  const dashes = dash === "" ? "" : ` stroke-dasharray="${dash}"`;
  return `<path d="${path.join("")}" fill="none" stroke="${colour}" stroke-width="${width}"${dashes} stroke-linejoin="round" stroke-linecap="round"/>`;
}

function drawLegend(lines: readonly Line[], panel: Panel): string[] {
  let x = panel.left;
  return lines.toReversed().flatMap(({ name, colour, width, dash }) => {
    const y = panel.top - 22;
    const start = x;
    // Wide enough for the usual fonts.
    x += 62 + name.length * 7;
    return [
      `<path d="M${start} ${y}h28" stroke="${colour}" stroke-width="${width}"${dash === "" ? "" : ` stroke-dasharray="${dash}"`}/>`,
      text(name, start + 36, y + 4.5),
    ];
  });
}

function drawAxes(panel: Panel, xTitle: string, yTitle: string): string[] {
  const { left, top, width, height } = panel;
  const bottom = top + height;
  const vertical = ticks(panel.y, 5).flatMap((value) => {
    const y = place(panel, "y", value);
    return [
      `<path d="M${left} ${y}h${width}" stroke="${COLOURS.grid}"/>`,
      text(tickLabel(value), left - 8, y + 4.5, { anchor: "end", colour: COLOURS.label }),
    ];
  });
  const horizontal = ticks(panel.x, 10).flatMap((value) => {
    const x = place(panel, "x", value);
    return [
      `<path d="M${x} ${top}v${height}" stroke="${COLOURS.grid}"/>`,
      text(tickLabel(value), x, bottom + 18, { anchor: "middle", colour: COLOURS.label }),
    ];
  });
  const middle = top + height / 2;
  return [
    ...vertical,
    ...horizontal,
    `<path d="M${left} ${top}v${height}h${width}" fill="none" stroke="${COLOURS.label}"/>`,
    text(xTitle, left + width / 2, bottom + 40, { anchor: "middle", colour: COLOURS.label }),
    `<g transform="rotate(-90 20 ${middle})">${text(yTitle, 20, middle, { anchor: "middle", colour: COLOURS.label })}</g>`,
  ];
}

/** Round numbers of a range, about `count` of them. */
function ticks([from, to]: readonly [number, number], count: number): number[] {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

function tickLabel(value: number): string {
  return String(Number(value.toFixed(6)));
}

interface TextStyle {
  readonly size?: number;
  readonly weight?: "bold";
  readonly anchor?: "middle" | "end";
  readonly colour?: string;
}

function text(content: string, x: number, y: number, style: TextStyle = {}): string {
  const { size, weight, anchor, colour = COLOURS.text } = style;
  const attributes = [
    `x="${x}" y="${y}" fill="${colour}"`,
    ...(size === undefined ? [] : [`font-size="${size}"`]),
    ...(weight === undefined ? [] : [`font-weight="${weight}"`]),
    ...(anchor === undefined ? [] : [`text-anchor="${anchor}"`]),
  ];
  return `<text ${attributes.join(" ")}>${escapeMarkup(content)}</text>`;
}

function escapeMarkup(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
