/** Row 1 with the real engine and the demo model: the second chunk's death costs no first chunk. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linesOf, until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { record, seconds } from "./figures.ts";
import { writeClip } from "./real-clip.ts";
import { Scene } from "./scene.ts";
import { realEngine, type ToldEngineOptions, type ToldEvent, toldEngine } from "./told-engine.ts";

/** 80 frames, 5 chunks. */
const CLIP_SECONDS = 3;
const STEPS = 2;

test("row 1 with the real engine on sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-faults-real-"));
  try {
    const [backend] = backends;
    if (backend === undefined) throw new Error("There is no queue.");
    await using scene = await Scene.open(backend);
    const clip = await writeClip(folder, CLIP_SECONDS);
    scene.bucket.set("face.mp4", await readFile(clip.video));
    scene.bucket.set("speech.wav", await readFile(clip.speech));
    const journal = join(folder, "journal.jsonl");
    const told = async (): Promise<readonly ToldEvent[]> =>
      (await linesOf(journal)).map((line) => JSON.parse(line) as ToldEvent);
    const engineOptions: ToldEngineOptions = {
      module: realEngine,
      options: { model: "latentsync-demo", runtime: "cpu", threads: 1 },
      journal,
    };
    await using service = await scene.start({
      engineModule: toldEngine,
      engineOptions: { ...engineOptions },
    });
    const make = async (out: string): Promise<string> => {
      const response = await service.create({
        video_in: scene.bucket.url("face.mp4"),
        audio_in: scene.bucket.url("speech.wav"),
        out: scene.bucket.url(out),
        inference_steps: STEPS,
      });
      return ((await response.json()) as { job_id: string }).job_id;
    };
    const job = await make("killed.mp4");
    const inSecond = await until(
      "the second chunk's first step",
      async () => (await told()).find(({ type, chunk }) => type === "step" && chunk === 1),
      600_000,
    );
    process.kill(inSecond.pid, "SIGKILL");
    const killedAt = Date.now();
    const view = await service.finished(job, 900_000);
    const after = (await told()).filter(({ pid }) => pid !== inSecond.pid);
    const restarted = after.find(({ type }) => type === "run");
    const steps = after.filter(({ type }) => type === "step");
    const denoised = steps.filter(({ restored }) => restored !== true).map(({ chunk }) => chunk);
    const undisturbed = await service.finished(await make("undisturbed.mp4"), 900_000);
    const [killedPut] = scene.bucket.putsOf("killed.mp4");
    const [undisturbedPut] = scene.bucket.putsOf("undisturbed.mp4");
    const chunks = new Set(after.filter(({ type }) => type === "chunk").map(({ chunk }) => chunk));
    const figures = {
      clipSeconds: CLIP_SECONDS,
      steps: STEPS,
      chunks: chunks.size,
      status: view.status,
      attempts: view.attempts,
      firstChunkRestored: steps.some(({ chunk, restored }) => chunk === 0 && restored === true),
      firstChunkDenoisedAgain: denoised.includes(0),
      restartSeconds: seconds((restarted?.at ?? Number.POSITIVE_INFINITY) - killedAt),
      putsOfKilled: scene.bucket.putsOf("killed.mp4").length,
      undisturbed: undisturbed.status,
      sameBytesAsUndisturbed:
        killedPut !== undefined && killedPut.sha256 === undisturbedPut?.sha256,
      sha256: (killedPut?.sha256 ?? createHash("sha256").digest("hex")).slice(0, 16),
    };
    const passed =
      view.status === "completed" &&
      figures.firstChunkRestored &&
      !figures.firstChunkDenoisedAgain &&
      figures.restartSeconds <= 15 &&
      figures.putsOfKilled === 1 &&
      figures.sameBytesAsUndisturbed;
    const title = "kill -9 of the real engine (demo model) in its second chunk";
    await record({ row: 1, title, backend: "sqlite", figures, passed });
    expect(passed).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
