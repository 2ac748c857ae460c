import { readFile, writeFile } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { expect, test } from "vitest";
import { createFileStorage } from "../../src/storage/file-storage.ts";
import { createJobFiles } from "../../src/work/job-files.ts";
import { Harness, linesOf } from "./harness.ts";

test("does a job: result, manifest, log and progress, and nothing is left", async () => {
  await using harness = await Harness.open({ engineOptions: { threads: 3 } });
  harness.start();
  const id = await harness.add({ segments: 2 });
  const job = await harness.finished(id);
  expect(job).toMatchObject({ status: "completed", attempts: 1 });
  expect(await readFile(harness.result(id), "utf8")).toBe("result of 2 segments with seed 1247\n");
  expect(job.manifest).toMatchObject({
    software: { name: "fake", version: "1.0.0" },
    model: { name: "fake-model" },
    runtime: { name: "fake", hardware: "3 threads", precision: "float32" },
    settings: { inference_steps: 3, guidance_scale: 2, seed: 1247 },
    inputs: { audio_in: { sizeBytes: 6 } },
    output: { sizeBytes: 36 },
    frames: 32,
  });
  expect(Object.keys(job.manifest?.stageSeconds ?? {})).toEqual(
    expect.arrayContaining(["download", "frames", "finish", "publish"]),
  );
  expect(await harness.log(id)).toEqual(
    expect.arrayContaining([
      "attempt 1 started on worker-0",
      "loaded fake-model on 3 threads",
      "segment 1 of 2 done",
      "segment 2 of 2 done",
      "made 32 frames",
      "published the result, 0.0 kB",
    ]),
  );
  const progress = (await harness.events(id)).flatMap((event) =>
    event.type === "progress" ? [event.progress] : [],
  );
  expect(progress.at(-1)).toBe(1);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  await harness.clean();
  expect(await harness.files.puts()).toEqual([`${id}.mp4`]);
});

test("tells the engine and the manifest what to make of the footage", async () => {
  await using harness = await Harness.open();
  harness.start();
  const footage = { face: "left", fps: "source", loop: "cut", start: 1, end: 2.5 } as const;
  const id = await harness.add({ segments: 1 }, { request: footage });
  expect((await harness.finished(id)).manifest?.settings).toEqual({
    ...{ inference_steps: 3, guidance_scale: 2, seed: 1247, ...footage },
  });
  const [run = ""] = await linesOf(harness.journal);
  expect(JSON.parse(run.replace("run ", ""))).toEqual({
    face: { kind: "left" },
    framesPerSecond: "source",
    loop: "cut",
    startSeconds: 1,
    endSeconds: 2.5,
  });
});

test("one job at a time in a worker, several with several", async () => {
  await using harness = await Harness.open({ workers: 2 });
  let running = 0;
  let most = 0;
  const perWorker = new Map<string, number>();
  harness.start({
    observer: {
      jobStarted: ({ worker }) => {
        running += 1;
        most = Math.max(most, running);
        perWorker.set(worker, (perWorker.get(worker) ?? 0) + 1);
        expect(perWorker.get(worker)).toBe(1);
      },
      jobFinished: ({ worker }) => {
        running -= 1;
        perWorker.set(worker, 0);
      },
    },
  });
  const ids = await Promise.all(Array.from({ length: 6 }, () => harness.add({ stepMs: 20 })));
  for (const id of ids) expect((await harness.finished(id)).status).toBe("completed");
  expect(most).toBe(2);
  expect(await linesOf(harness.journal)).toHaveLength(6 * 5);
});

test("inputs and results go through a storage, with a size limit and a check", async () => {
  await using harness = await Harness.open();
  const files = createJobFiles({
    storage: createFileStorage({ roots: [harness.folder] }),
    maxInputBytes: 10_000,
    checkInput: async (path, { role }) => {
      if ((await readFile(path, "utf8")).startsWith("#EXTM3U")) {
        throw new LatentSyncError("forbidden", `${path} is a playlist, not ${role}.`);
      }
    },
  });
  harness.start({ files });
  const playlist = harness.path("playlist.mp4");
  await writeFile(playlist, "#EXTM3U\n/etc/passwd\n");
  const large = harness.path("large.wav");
  await writeFile(large, Buffer.alloc(10_001));
  const good = await harness.add({ segments: 1 });
  const listed = await harness.add({}, { audio: playlist });
  const tooLarge = await harness.add({}, { audio: large });
  const outside = await harness.add({}, { audio: "/etc/hostname" });
  expect((await harness.finished(good)).status).toBe("completed");
  expect(await readFile(harness.result(good), "utf8")).toContain("result of 1 segments");
  expect((await harness.finished(listed)).error).toEqual({
    code: "forbidden",
    message: expect.stringMatching(/^audio_in-[0-9a-f-]+ is a playlist, not audio_in\.$/u),
  });
  expect((await harness.finished(tooLarge)).error?.code).toBe("too_large");
  expect((await harness.finished(outside)).error?.code).toBe("forbidden");
  expect(await linesOf(harness.journal)).toEqual(["run", "segment 0"]);
  await harness.clean();
});
