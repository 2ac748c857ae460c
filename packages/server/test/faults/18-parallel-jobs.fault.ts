import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { program, serveCommand } from "./cli-program.ts";
import { record, seconds } from "./figures.ts";
import { type RealClip, writeClip } from "./real-clip.ts";
import { Scene } from "./scene.ts";

const JOBS = 24;
const WORKERS = 2;
const STEPS = 2;
const SEEDS = [1247, 11, 12, 13, 14, 15];
const title = "24 jobs at once over 2 workers of the demo model, against the command line";

/** SHA-256 of what `latentsync-ts infer` makes of a clip, with the settings of the jobs. */
async function infer(clip: RealClip, seed: number): Promise<string> {
  const output = `${clip.video}-${seed}.mp4`;
  const settings = ["--inference-steps", STEPS, "--guidance-scale", 2, "--seed", seed].map(String);
  await promisify(execFile)(process.execPath, [
    ...[program, "infer", "--video", clip.video, "--audio", clip.speech, "--out", output],
    ...[...settings, "--runtime", "cpu", "--threads", "1"],
  ]);
  return createHash("sha256")
    .update(await readFile(output))
    .digest("hex");
}

describe.each(backends.filter(({ name }) => name === "sqlite"))("load on $name", (backend) => {
  test("24 jobs give what the command line gives", async () => {
    await using scene = await Scene.open(backend);
    const clip = await writeClip(scene.folder, 1);
    scene.bucket.set("face.mp4", await readFile(clip.video));
    scene.bucket.set("speech.wav", await readFile(clip.speech));
    const expected = new Map<number, string>();
    for (const seed of SEEDS) expected.set(seed, await infer(clip, seed));

    await using service = await scene.start({
      command: serveCommand,
      environment: { WORKERS: String(WORKERS) },
    });
    const startedAt = Date.now();
    const jobs = await Promise.all(
      Array.from({ length: JOBS }, async (_, index) => {
        const seed = SEEDS[index % SEEDS.length]!;
        const name = `${index}.mp4`;
        const response = await service.create({
          video_in: scene.bucket.url("face.mp4"),
          audio_in: scene.bucket.url("speech.wav"),
          out: scene.bucket.url(name),
          inference_steps: STEPS,
          guidance_scale: 2,
          seed,
        });
        const { job_id: id } = (await response.json()) as { job_id: string };
        return { id, name, seed };
      }),
    );
    let mostAtATime = 0;
    let completed = 0;
    for (const { id } of jobs) {
      const response = await fetch(`${service.url}/jobs?status=processing`);
      const listed = ((await response.json()) as { jobs: readonly object[] }).jobs.length;
      mostAtATime = Math.max(mostAtATime, listed);
      const job = await service.finished(id, 600_000);
      if (job.status === "completed") completed += 1;
    }
    const took = seconds(Date.now() - startedAt);
    const identical = jobs.filter(({ name, seed }) => {
      const puts = scene.bucket.putsOf(name);
      return puts.length === 1 && puts[0]?.sha256 === expected.get(seed);
    }).length;
    const figures = {
      jobs: JOBS,
      workers: WORKERS,
      completed,
      identicalToInfer: identical,
      differentOutputs: new Set(expected.values()).size,
      mostAtATime,
      seconds: took,
    };
    const passed =
      completed === JOBS &&
      identical === JOBS &&
      mostAtATime === WORKERS &&
      figures.differentOutputs === SEEDS.length;
    await record({ row: 18, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
