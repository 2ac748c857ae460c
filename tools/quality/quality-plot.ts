/** The frontier as SVG: how like the exact result a setting is, against the work that it takes. */
import type { QualityReport, VariantReport } from "./quality-report.ts";
import { type Lever, LEVERS } from "./variants.ts";

const WIDTH = 900;
const HEIGHT = 520;
const PANEL = { left: 70, top: 70, right: WIDTH - 30, bottom: HEIGHT - 64 };
/** A logarithmic scale: half the work is as far from a quarter as all of it from half. */
const WORK_TICKS = [0.1, 0.2, 0.3, 0.5, 0.7, 1];
const TICK_DB = 5;

const COLOURS: Readonly<Record<Lever, string>> = {
  presets: "#111827",
  DDIM: "#8a8f98",
  "DPM-Solver++": "#1d5fb4",
  UniPC: "#0f9d76",
  DeepCache: "#e2711d",
  guidance: "#a63fb0",
};

/** Where a point's label is, from the point: samplers lie close to one another. */
const LABELS: Readonly<Record<Lever, readonly [dx: number, dy: number, anchor: string]>> = {
  presets: [-9, -9, "end"],
  DDIM: [-8, 4, "end"],
  "DPM-Solver++": [-5, -7, "end"],
  UniPC: [7, 10, "start"],
  DeepCache: [-4, 17, "end"],
  guidance: [8, 4, "start"],
};

export function drawPlot(report: QualityReport): string {
  // The exact result has no distance from itself.
  const shown = report.variants.filter(({ name }) => name !== "exact");
  const decibels = shown.map(({ figures }) => figures.psnrToExactDb);
  const lowest = Math.floor(Math.min(...decibels) / TICK_DB) * TICK_DB;
  const highest = Math.max(lowest + TICK_DB, Math.ceil(Math.max(...decibels) / TICK_DB) * TICK_DB);
  const leastWork = Math.min(WORK_TICKS[0] as number, ...shown.map((v) => v.relativeWork)) * 0.92;
  const x = (work: number): number =>
    PANEL.left + (1 - Math.log(work) / Math.log(leastWork)) * (PANEL.right - PANEL.left);
  const y = (psnrDb: number): number =>
    PANEL.bottom - ((psnrDb - lowest) / (highest - lowest)) * (PANEL.bottom - PANEL.top);
  const rows = Array.from(
    { length: (highest - lowest) / TICK_DB + 1 },
    (_, index) => lowest + index * TICK_DB,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${PANEL.left}" y="28" font-size="16" font-weight="bold" fill="#22262b">Likeness of the mouth to the exact result, against the work it takes</text>`,
    ...WORK_TICKS.map((work) => tick(x(work), PANEL.bottom + 18, `${work}`, "middle")),
    ...WORK_TICKS.map((work) => line(x(work), PANEL.top, x(work), PANEL.bottom)),
    ...rows.map((value) => tick(PANEL.left - 8, y(value) + 4, `${value} dB`, "end")),
    ...rows.map((value) => line(PANEL.left, y(value), PANEL.right, y(value))),
    tick(
      (PANEL.left + PANEL.right) / 2,
      HEIGHT - 20,
      "work of UNet and VAE at full size (exact = 1, logarithmic); numbers beside samplers: steps",
      "middle",
    ),
    ...LEVERS.flatMap((lever, index) => legend(lever, PANEL.left + index * 118)),
    ...LEVERS.flatMap((lever) => curve(lever, shown, x, y)),
    ...shown.flatMap((variant) => point(variant, x, y)),
    `</svg>\n`,
  ].join("\n");
}

type Scale = (value: number) => number;

function curve(lever: Lever, variants: readonly VariantReport[], x: Scale, y: Scale): string[] {
  if (lever === "guidance") return [];
  const points = variants
    .filter((variant) => variant.lever === lever)
    .toSorted((a, b) => a.relativeWork - b.relativeWork)
    .map((v) => `${x(v.relativeWork).toFixed(1)},${y(v.figures.psnrToExactDb).toFixed(1)}`);
  const dash = lever === "presets" ? "" : ` stroke-dasharray="4 4"`;
  return [
    `<polyline points="${points.join(" ")}" fill="none" stroke="${COLOURS[lever]}" stroke-width="1.5"${dash}/>`,
  ];
}

function point(variant: VariantReport, x: Scale, y: Scale): string[] {
  const { lever, name, figures, relativeWork } = variant;
  const isPreset = lever === "presets";
  const [left, top] = [x(relativeWork), y(figures.psnrToExactDb)];
  const label = isPreset
    ? name
    : name
        .replace(`${lever}, `, "")
        .replace(/ steps$/, "")
        .replace(/^guidance in /, "");
  const weight = isPreset ? ` font-weight="bold" font-size="14"` : "";
  const [dx, dy, anchor] = LABELS[lever];
  return [
    `<circle cx="${left.toFixed(1)}" cy="${top.toFixed(1)}" r="${isPreset ? 6 : 4}" fill="${COLOURS[lever]}"/>`,
    `<text x="${(left + dx).toFixed(1)}" y="${(top + dy).toFixed(1)}" text-anchor="${anchor}" fill="${COLOURS[lever]}"${weight}>${label}</text>`,
  ];
}

function legend(lever: Lever, left: number): string[] {
  return [
    `<circle cx="${left + 5}" cy="48" r="5" fill="${COLOURS[lever]}"/>`,
    `<text x="${left + 15}" y="52" fill="#22262b">${lever}</text>`,
  ];
}

function tick(x: number, y: number, label: string, anchor: "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#5a616b">${label}</text>`;
}

function line(fromX: number, fromY: number, toX: number, toY: number): string {
  const [x1, y1, x2, y2] = [fromX, fromY, toX, toY].map((value) => value.toFixed(1));
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#e4e7eb"/>`;
}
