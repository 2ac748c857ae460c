/**
 * What every lever and preset costs in quality, and what it saves: docs/quality.json, its table and
 * its plot.
 *
 *     node tools/quality/measure.ts [--model DIR] [--clips 4] [--seconds 1.2] [--untimed] [--mouths FILE.png]
 *     node tools/quality/measure.ts --draw      the table and the plot again, from the JSON
 *
 * Runs the product's own pipeline on clips that the demo model was never trained on. Counts of
 * forwards and figures are the same on every machine of a kind; times want a quiet one, and `--untimed`
 * leaves them out.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { resolveSampling } from "@ls/core";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import { createMouthRuler, writePng } from "@ls/video";
import { load } from "latentsync-ts";
import { countingRuntime } from "./counting-runtime.ts";
import {
  type Bench,
  compareOutput,
  type Figures,
  makeOutput,
  type Output,
} from "./measure-variant.ts";
import { relativeWork } from "./model-work.ts";
import { drawMouths, type MouthRow } from "./mouth-sheet.ts";
import { drawPlot } from "./quality-plot.ts";
import type { QualityReport, VariantReport } from "./quality-report.ts";
import { formatTable } from "./quality-table.ts";
import { type TestClip, writeTestClip } from "./test-clip.ts";
import { type Variant, VARIANTS } from "./variants.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const TABLE = /(<!-- table of tools\/quality -->\n)[^]*(<!-- end of the table -->)/;

interface Measured {
  readonly output: Output;
  readonly figures: Figures;
}

/** Each engine takes the next clip, and runs all variants on it. */
async function measureClip(bench: Bench, clip: TestClip): Promise<Map<Variant, Measured>> {
  const measured = new Map<Variant, Measured>();
  let exact: Output | undefined;
  for (const variant of VARIANTS) {
    const output = await makeOutput(bench, clip, variant.settings, variant.name);
    exact ??= output;
    const figures = await compareOutput(bench.ruler, clip, output, exact);
    measured.set(variant, { output, figures });
    const { path: _, latents: _latents, ...shown } = output;
    process.stderr.write(
      `${JSON.stringify({ clip: clip.index, name: variant.name, ...shown, ...figures })}\n`,
    );
  }
  return measured;
}

async function openBench(
  model: string,
  folder: string,
  disposables: AsyncDisposableStack,
): Promise<Bench> {
  const runtime = disposables.use(await createOnnxRuntime({ device: "cpu", threads: 1 }));
  const counter = countingRuntime(runtime);
  const engine = disposables.use(await load({ model, runtime: counter.runtime, codec: "ffv1" }));
  const ruler = disposables.use(await createMouthRuler());
  return { engine, counter, ruler, folder };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (
    ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  );
}

function report(variant: Variant, clips: readonly Map<Variant, Measured>[]): VariantReport {
  const of = (which: Variant): Measured[] => clips.flatMap((clip) => clip.get(which) ?? []);
  const [measured, exact] = [of(variant), of(VARIANTS[0] as Variant)];
  const total = (some: readonly Measured[], value: (output: Output) => number): number =>
    some.reduce((sum, { output }) => sum + value(output), 0);
  const forwards = (some: readonly Measured[]): Output["forwards"] => ({
    full: total(some, (output) => output.forwards.full),
    shallow: total(some, (output) => output.forwards.shallow),
  });
  const exactSettings = resolveSampling({});
  const exactPerChunk = 2 * exactSettings.inferenceSteps;
  const chunks = forwards(exact).full / exactPerChunk;
  const figure = (name: keyof Figures, digits: number): number =>
    Number(median(measured.map(({ figures }) => figures[name])).toFixed(digits));
  const lowest = Math.min(...measured.map(({ figures }) => figures.psnrToExactDb));
  const seconds = (some: readonly Measured[]): number => total(some, (output) => output.seconds);
  return {
    name: variant.name,
    lever: variant.lever,
    settings: resolveSampling(variant.settings),
    fullForwards: forwards(measured).full / chunks,
    shallowForwards: forwards(measured).shallow / chunks,
    relativeWork: Number(
      relativeWork(forwards(measured), forwards(exact), exactPerChunk).toFixed(3),
    ),
    ...(values.untimed
      ? {}
      : { relativeSeconds: Number((seconds(measured) / seconds(exact)).toFixed(3)) }),
    figures: {
      newSpeech: figure("newSpeech", 3),
      psnrToTruthDb: figure("psnrToTruthDb", 2),
      psnrToExactDb: figure("psnrToExactDb", 2),
      ssimToExact: figure("ssimToExact", 4),
      latentCosine: figure("latentCosine", 6),
    },
    lowestPsnrToExactDb: Number(lowest.toFixed(2)),
  };
}

function describe({ clips, secondsPerClip, model, modelHash, runtime }: QualityReport): string {
  return `${clips} clips of ${secondsPerClip} s; model ${model}, ${modelHash.slice(0, 12)}; runtime ${runtime}.`;
}

async function draw(): Promise<void> {
  const text = await readFile(join(DOCS, "quality.json"), "utf8");
  const found = JSON.parse(text) as QualityReport;
  const page = join(DOCS, "quality.md");
  const filled = (await readFile(page, "utf8")).replace(
    TABLE,
    (_, start: string, end: string) =>
      `${start}\n${formatTable(found)}\n${describe(found)}\n\n${end}`,
  );
  await writeFile(page, filled);
  await writeFile(join(DOCS, "quality.svg"), drawPlot(found));
}

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "latentsync-demo" },
    clips: { type: "string", default: "4" },
    seconds: { type: "string", default: "1.2" },
    mouths: { type: "string" },
    untimed: { type: "boolean", default: false },
    draw: { type: "boolean", default: false },
  },
});
if (values.draw) {
  await draw();
} else {
  const folder = await mkdtemp(join(tmpdir(), "quality-"));
  try {
    await using disposables = new AsyncDisposableStack();
    const results: Map<Variant, Measured>[] = [];
    const clips: TestClip[] = [];
    const seconds = Number(values.seconds);
    const workers = Math.min(availableParallelism(), Number(values.clips));
    const benches: Bench[] = [];
    for (let worker = 0; worker < workers; worker++) {
      benches.push(await openBench(values.model, folder, disposables));
    }
    const queue = Array.from({ length: Number(values.clips) }, (_, index) => index).values();
    await Promise.all(
      benches.map(async (bench) => {
        for (const index of queue) {
          const clip = await writeTestClip({ folder, index, seconds, ruler: bench.ruler });
          clips[index] = clip;
          results[index] = await measureClip(bench, clip);
        }
      }),
    );
    const engine = benches[0]?.engine;
    const found: QualityReport = {
      model: engine?.model.name ?? "",
      modelHash: engine?.model.hash ?? "",
      runtime: engine?.runtime ?? "",
      clips: results.length,
      secondsPerClip: seconds,
      variants: VARIANTS.map((variant) => report(variant, results)),
    };
    await writeFile(join(DOCS, "quality.json"), `${JSON.stringify(found, null, 2)}\n`);
    await draw();
    if (values.mouths !== undefined) {
      const presets = VARIANTS.filter(({ lever }) => lever === "presets");
      const rows: MouthRow[] = [];
      for (const [index, clip] of clips.entries()) {
        rows.push({ clip, path: clip.truthPath });
        for (const preset of presets) {
          const path = results[index]?.get(preset)?.output.path;
          if (path !== undefined) rows.push({ clip, path });
        }
      }
      await writePng(values.mouths, await drawMouths(rows));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
