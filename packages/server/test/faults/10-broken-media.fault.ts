import { readFile } from "node:fs/promises";
import { hugeAvi, hugePng } from "@ls/testing";
import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { serveCommand } from "./cli-program.ts";
import { record, seconds } from "./figures.ts";
import { wav, withoutFrames, withVariableRate } from "./movies.ts";
import { writeClip } from "./real-clip.ts";
import { Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";

const MOST_SECONDS = 10;
const MOST_MEMORY_MIB = 1024;
const title = "Broken and lying media, and a variable rate, with the demo model";

/** The most memory that the largest of a service's workers has held. */
async function peakMemoryMib(service: ServiceHandle): Promise<number> {
  const peaks = await Promise.all(
    (await service.children()).map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    }),
  );
  return Math.round(Math.max(...peaks));
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("row 10", (backend) => {
  test("broken media end in a typed error", async () => {
    await using scene = await Scene.open(backend);
    const clip = await writeClip(scene.folder, 1);
    const [video, speech] = await Promise.all([readFile(clip.video), readFile(clip.speech)]);
    const silence = Buffer.alloc(32_000);
    const inputs: readonly (readonly [string, "video_in" | "audio_in", Buffer])[] = [
      ["truncated mp4", "video_in", video.subarray(0, Math.floor(video.length * 0.6))],
      ["zero frames", "video_in", withoutFrames(video)],
      ["60000x60000 png", "video_in", hugePng(60_000)],
      ["60000x60000 avi", "video_in", hugeAvi(60_000)],
      ["wav that claims 4 GB", "audio_in", wav(silence, 4_000_000_000)],
      ["wav of one byte", "audio_in", wav(silence.subarray(0, 1))],
      ["file of one byte", "audio_in", Buffer.from([0])],
    ];
    scene.bucket.set("face.mp4", video);
    scene.bucket.set("speech.wav", speech);
    scene.bucket.set("variable.mp4", withVariableRate(video));
    const good = {
      video_in: scene.bucket.url("face.mp4"),
      audio_in: scene.bucket.url("speech.wav"),
      out: scene.bucket.url("out.mp4"),
      inference_steps: 2,
    };
    await using service = await scene.start({
      command: serveCommand,
      environment: { WORKERS: "1" },
    });
    const run = async (
      body: object,
    ): Promise<{ readonly outcome: string; readonly seconds: number }> => {
      const startedAt = Date.now();
      const response = await service.create(body);
      const { job_id: id } = (await response.json()) as { job_id: string };
      const job = await service.finished(id);
      const outcome = job.status === "failed" ? (job.error_code ?? "none") : job.status;
      return { outcome, seconds: seconds(Date.now() - startedAt) };
    };
    // The model is loaded, and its memory taken.
    const usual = await run(good);
    const usualMemory = await peakMemoryMib(service);
    const outcomes = new Map<string, { readonly outcome: string; readonly seconds: number }>();
    for (const [index, [name, field, bytes]] of inputs.entries()) {
      scene.bucket.set(String(index), bytes);
      outcomes.set(name, await run({ ...good, [field]: scene.bucket.url(String(index)) }));
    }
    const variable = await run({ ...good, video_in: scene.bucket.url("variable.mp4") });
    const after = await run(good);
    const memory = await peakMemoryMib(service);
    const errors = Object.fromEntries(
      [...outcomes].map(([name, { outcome, seconds: took }]) => [name, `${outcome}, ${took} s`]),
    );
    const longest = Math.max(...[...outcomes.values()].map(({ seconds: took }) => took));
    const figures = {
      ...errors,
      longestSeconds: longest,
      variableRate: `${variable.outcome}, ${variable.seconds} s`,
      goodBefore: usual.outcome,
      goodAfter: after.outcome,
      workerMemoryPeakBeforeMib: usualMemory,
      workerMemoryPeakMib: memory,
      workers: (await service.children()).length,
    };
    const typed = new Set(["invalid_media", "too_large", "unsupported"]);
    const passed =
      [...outcomes.values()].every(({ outcome }) => typed.has(outcome)) &&
      longest <= MOST_SECONDS &&
      memory < MOST_MEMORY_MIB &&
      [usual, variable, after].every(({ outcome }) => outcome === "completed");
    await record({ row: 10, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
