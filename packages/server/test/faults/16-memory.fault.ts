/** Row 16: memory over long 1080p footage, with the real engine and one denoising step. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { linesOf } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { countOf, record } from "./figures.ts";
import { ffmpegMissing, repeatAtFullHd, writeClip } from "./real-clip.ts";
import { Scene } from "./scene.ts";
import { realEngine, type ToldEvent, toldEngine } from "./told-engine.ts";

/** Of footage. */
const MINUTES = countOf("LATENTSYNC_FAULT_MINUTES", 2);
const FRAMES_PER_MINUTE = 1500;
const SAMPLE_MS = 1000;
/** Share of the frames after which memory should not grow any more. */
const WARM_UP = 0.3;
/** Growth over an hour of footage that still counts as flat, in MB. */
const FLAT_MB_PER_HOUR = 1000;
/** Wall time before the case gives up: a start, and what each minute of footage may take. */
const LONGEST_MS = 300_000 + MINUTES * 240_000;

interface Sample {
  /** Minutes of footage that were done. */
  readonly minutes: number;
  readonly server: number;
  readonly worker: number;
}

/** Resident memory in MB. */
async function residentMb(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB/mu.exec(text)?.[1] ?? Number.NaN) / 1000;
}

/** Least-squares slope. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(points.map(([at]) => at));
  const y = mean(points.map(([, value]) => value));
  const across = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0);
  return across / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

const skip = process.platform === "linux" ? ffmpegMissing : "memory is read from /proc";

const title = `row 16${skip === undefined ? "" : `: ${skip}`}`;

test.skipIf(skip !== undefined)(title, { timeout: LONGEST_MS + 600_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-faults-memory-"));
  try {
    const [backend] = backends;
    if (backend === undefined) throw new Error("There is no queue.");
    await using scene = await Scene.open(backend);
    const long = repeatAtFullHd(await writeClip(folder, 4), folder, MINUTES * 60);
    const journal = join(folder, "journal.jsonl");
    await using service = await scene.start({
      environment: { FILE_ROOTS: folder },
      engineModule: toldEngine,
      engineOptions: {
        module: realEngine,
        options: { model: "latentsync-demo", runtime: "auto", threads: 2 },
        journal,
      },
    });
    const out = join(folder, "out.mp4");
    const response = await service.create({
      video_in: pathToFileURL(long.video).href,
      audio_in: pathToFileURL(long.speech).href,
      out: pathToFileURL(out).href,
      inference_steps: 1,
    });
    const { job_id: job } = (await response.json()) as { readonly job_id: string };
    const samples: Sample[] = [];
    const startedAt = performance.now();
    let view = await service.job(job);
    while (view?.status !== "completed" && view?.status !== "failed") {
      if (performance.now() - startedAt > LONGEST_MS) break;
      await new Promise((resolve) => {
        setTimeout(resolve, SAMPLE_MS);
      });
      const told = (await linesOf(journal)).map((line) => JSON.parse(line) as ToldEvent);
      const frames = told.findLast(({ type }) => type === "frames")?.frames ?? 0;
      const [worker] = await service.children();
      if (frames > 0 && worker !== undefined) {
        samples.push({
          minutes: frames / FRAMES_PER_MINUTE,
          server: await residentMb(service.pid),
          worker: await residentMb(worker),
        });
      }
      view = await service.job(job).catch(() => view);
    }
    const done = (samples.at(-1)?.minutes ?? 0) * FRAMES_PER_MINUTE;
    const warm = samples.filter(({ minutes }) => minutes * FRAMES_PER_MINUTE > done * WARM_UP);
    const perHour = (of: "server" | "worker"): number =>
      60 * slope(warm.map((sample) => [sample.minutes, sample[of]] as const));
    const figures = {
      minutesOfFootage: MINUTES,
      frames: done,
      wallMinutes: round((performance.now() - startedAt) / 60_000),
      status: view?.status ?? "unknown",
      samples: samples.length,
      serverMb: round(Math.max(...samples.map(({ server }) => server))),
      workerMb: round(Math.max(...samples.map(({ worker }) => worker))),
      serverMbPerMinuteOfFootage: round(perHour("server") / 60),
      workerMbPerMinuteOfFootage: round(perHour("worker") / 60),
      resultMb: round((await stat(out).catch(() => ({ size: 0 }))).size / 1e6),
    };
    const passed =
      view?.status === "completed" &&
      perHour("server") <= FLAT_MB_PER_HOUR &&
      perHour("worker") <= FLAT_MB_PER_HOUR;
    const what = `Memory over ${MINUTES} min of 1080p, one denoising step, demo model`;
    await record({ row: 16, title: what, backend: "sqlite", figures, passed });
    expect(passed).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
