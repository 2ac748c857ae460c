import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LipSyncEvent } from "@ls/core";
import { expect, test } from "vitest";
import { createDemoClip, writeDemoClip } from "../../src/demo/demo-clip.ts";
import { QUICK_ARGUMENTS } from "../media/short-clip.ts";
import { PROGRAM } from "../run.ts";
import { record } from "./figures.ts";

const SECONDS = 5;

interface Start {
  readonly exitCode: number | null;
  readonly denoised: number;
  readonly restored: number;
}

/** Runs the program; it is killed when it has begun the chunk after `newChunks` of its own. */
async function start(args: readonly string[], newChunks: number): Promise<Start> {
  const child = spawn(process.execPath, [PROGRAM, ...args, "--json"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const closed = once(child, "close");
  let [denoised, restored] = [0, 0];
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as LipSyncEvent;
    if (event.type !== "chunk") continue;
    if (event.restored === true) restored += 1;
    else denoised += 1;
    if (denoised > newChunks) child.kill("SIGKILL");
  }
  await closed;
  return { exitCode: child.exitCode, denoised, restored };
}

test("row 42: a run that is killed again and again", { timeout: 3600 * 1000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "latentsync-resume-"));
  try {
    const clip = { video: join(folder, "face.mp4"), speech: join(folder, "speech.wav") };
    const made = createDemoClip({ text: "Bring my map, Tom.", seconds: SECONDS, seed: 2 });
    await writeDemoClip(made, clip, new AbortController().signal);
    const inputs = ["--video", clip.video, "--audio", clip.speech];
    const infer = ["infer", ...inputs, ...QUICK_ARGUMENTS, "--out"];
    const whole = await start([...infer, join(folder, "whole.mp4")], Infinity);
    const starts: Start[] = [];
    do {
      starts.push(await start([...infer, join(folder, "out.mp4"), "--resume"], 2));
    } while (starts.at(-1)?.exitCode !== 0 && starts.length < whole.denoised);
    const [expected, actual] = await Promise.all(
      ["whole.mp4", "out.mp4"].map((name) => readFile(join(folder, name))),
    );
    const left = (await readdir(folder)).filter((name) => name.includes("segments"));
    const figures = {
      chunks: whole.denoised,
      kills: starts.length - 1,
      chunksDenoisedInAll: starts.reduce((sum, { denoised }) => sum + denoised, 0),
      chunksRestoredByTheLast: starts.at(-1)?.restored ?? 0,
      sameBytes: actual?.equals(expected as Buffer) ?? false,
      segmentFoldersLeft: left.length,
    };
    const passed = figures.kills > 0 && figures.sameBytes && left.length === 0;
    await record({
      row: 42,
      input: `${SECONDS} s of a drawn person, killed (SIGKILL) after every two new chunks`,
      what: "--resume goes on, to the bytes of a run that was never stopped, and leaves no segments",
      figures,
      passed,
    });
    expect(passed).toBe(true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
