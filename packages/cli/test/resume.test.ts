import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LipSyncEvent } from "@ls/core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseInferOptions } from "../src/infer-arguments.ts";
import { drawSeed, engineOptionsOf, runInferJob } from "../src/infer-job.ts";
import { load } from "../src/load.ts";
import { QUICK, QUICK_ARGUMENTS, type ShortClip, writeShortClip } from "./media/short-clip.ts";
import { run } from "./run.ts";

let folder: string;
let clip: ShortClip;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-resume-"));
  clip = await writeShortClip(file("clip"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a job in this process until its second chunk begins. */
async function runUntilStopped(given: Readonly<Record<string, unknown>>): Promise<void> {
  const flags = parseInferOptions(given);
  const stop = new AbortController();
  await using engine = await load({ ...engineOptionsOf(flags), signal: stop.signal });
  const job = { flags, given, seed: drawSeed(flags), signal: stop.signal };
  await expect(async () => {
    for await (const event of runInferJob(engine, job)) {
      if (event.type === "chunk" && event.chunk === 1) stop.abort(new Error("stopped"));
    }
  }).rejects.toThrow("stopped");
}

const restored = (stdout: string): readonly number[] =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LipSyncEvent)
    .flatMap((event) => (event.type === "chunk" && event.restored === true ? [event.chunk] : []));

it("--resume goes on where a run was stopped, to the same bytes, and leaves nothing", async () => {
  const inputs = ["--video", clip.video, "--audio", clip.audio];
  const infer = ["infer", ...inputs, ...QUICK_ARGUMENTS];
  expect((await run(...infer, "--out", file("whole.mp4"))).code).toBe(0);
  const whole = await readFile(file("whole.mp4"));
  const output = file("out.mp4");
  const given = { ...clip, ...QUICK, out: output };

  // Without the option nothing is kept.
  await runUntilStopped(given);
  expect((await readdir(folder)).toSorted()).toEqual(["clip", "whole.mp4"]);

  await runUntilStopped({ ...given, resume: true });
  expect(await readdir(folder)).toContain("out.mp4.segments");
  const [hash = ""] = await readdir(file("out.mp4.segments"));
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
  expect(await readdir(file(`out.mp4.segments/${hash}`))).toEqual(["segment-000000.latents"]);

  // Another seed is another run: it takes nothing, and loses nothing of the other when it is stopped.
  await runUntilStopped({ ...given, resume: true, seed: 7 });
  expect(await readdir(file("out.mp4.segments"))).toHaveLength(2);

  const again = await run(...infer, "--out", output, "--resume", "--json");
  expect(again.code).toBe(0);
  expect(restored(again.stdout)).toEqual([0]);
  expect(again.stdout).toContain("Going on after 1 finished segments.");
  expect((await readFile(output)).equals(whole)).toBe(true);
  expect((await readdir(folder)).toSorted()).toEqual(["clip", "out.mp4", "whole.mp4"]);
});
