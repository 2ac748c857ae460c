import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDemoClip, writeDemoClip } from "../src/demo/demo-clip.ts";
import { load } from "../src/load.ts";
import { COUPLE_SIZE, drawCouple } from "./couple.ts";
import { QUICK_ARGUMENTS } from "./media/short-clip.ts";
import { PROGRAM, run } from "./run.ts";

let folder: string;
let server: ChildProcess;
let origin: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-serve-"));
  const clip = createDemoClip({ text: "Bring my map, Tom.", seconds: 1, seed: 2 });
  const paths = { video: join(folder, "face.mp4"), speech: join(folder, "speech.wav") };
  await writeDemoClip(clip, paths, new AbortController().signal);
  const args = ["serve", "--port", "0", "--model", "latentsync-demo", "--runtime", "cpu"];
  server = spawn(process.execPath, [PROGRAM, ...args, "--threads", "1", "--file-roots", folder], {
    env: { ...process.env, DATA_DIR: join(folder, "data") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  server.stderr?.on("data", (part: Buffer) => (said += part.toString()));
  while (!said.includes("Listening on ")) {
    if (server.exitCode !== null) throw new Error(said);
    await delay(50);
  }
  origin = /Listening on (\S+)/.exec(said)?.[1] ?? "";
});
afterAll(async () => {
  if (server.exitCode === null) {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  await rm(folder, { recursive: true, force: true });
});

async function ask(path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(`${origin}${path}`, init);
  return { http: response.status, ...((await response.json()) as object) };
}

describe("serve", () => {
  it("writes what infer writes, byte for byte", async () => {
    const url = (name: string): string => pathToFileURL(join(folder, name)).href;
    const settings = { inferenceSteps: 2, guidanceScale: 1.5, seed: 5 };
    const created = await ask("/jobs", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        video_in: url("face.mp4"),
        audio_in: url("speech.wav"),
        out: url("served.mp4"),
        inference_steps: settings.inferenceSteps,
        guidance_scale: settings.guidanceScale,
        seed: settings.seed,
      }),
    });
    expect(created).toMatchObject({ http: 202, status: "processing" });
    const path = `/jobs/${String(created["job_id"])}`;
    // The log ends when the job does.
    const log = await (await fetch(`${origin}${path}/log?follow=1`)).text();
    expect(await ask(path), log).toMatchObject({ status: "completed" });
    await using engine = await load({ model: "latentsync-demo", runtime: "cpu", threads: 1 });
    const direct = join(folder, "direct.mp4");
    const request = { video: join(folder, "face.mp4"), audio: join(folder, "speech.wav") };
    for await (const _ of engine.run({ ...request, output: direct, ...settings }));
    expect((await readFile(join(folder, "served.mp4"))).equals(await readFile(direct))).toBe(true);
  });

  it("does with footage what infer does with it, byte for byte", async () => {
    const couple = join(folder, "couple.mp4");
    const length = { framesPerSecond: 24, frameCount: 20 };
    const source = createPictureVideo({ ...COUPLE_SIZE, ...length, picture: drawCouple });
    const [speech, sink] = [join(folder, "speech.wav"), createFfmpegVideoSink()];
    await writeVideo({ sink, path: couple, source, audioPath: speech });
    const footage = [
      ...["--face", "right", "--fps", "source", "--loop", "freeze", "--silence", "keep"],
      ...["--start", "0.25", "--end", "0.5", "--inference-steps", "1", "--guidance-scale", "1"],
    ];
    const url = (name: string): string => pathToFileURL(join(folder, name)).href;
    const places = ["--video-in", url("couple.mp4"), "--audio-in", url("speech.wav")];
    const submitted = await run(
      ...["submit", "--server", origin, ...places, "--out", url("right.mp4"), ...footage],
    );
    expect(submitted.code, submitted.stderr).toBe(0);
    const direct = join(folder, "right-direct.mp4");
    const files = ["--video", couple, "--audio", speech, "--out", direct];
    const infer = await run("infer", ...files, ...QUICK_ARGUMENTS, ...footage);
    expect(infer.code, infer.stderr).toBe(0);
    expect((await readFile(join(folder, "right.mp4"))).equals(await readFile(direct))).toBe(true);
  });

  it("does the jobs of submit, which tells how they end", async () => {
    const url = (name: string): string => pathToFileURL(join(folder, name)).href;
    const job = (video: string): string[] => [
      ...["submit", "--server", origin, "--audio-in", url("speech.wav")],
      ...["--video-in", url(video), "--out", url("submitted.mp4"), "--inference-steps", "1"],
    ];
    const { code, stdout, stderr } = await run(...job("face.mp4"), "--face-at", "0.5,0.5");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    expect(stderr).toContain("completed");
    expect((await readFile(join(folder, "submitted.mp4"))).length).toBeGreaterThan(1000);

    const missing = await run(...job("no-such-file.mp4"), "--json");
    expect(missing.code).toBe(1);
    expect(missing.stdout).toContain('"code":"not_found"');
    const wrong = await run(...job("face.mp4"), "--guidance-scale", "9");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("--guidance-scale");
  });

  it("tells what the model's files are, and ends on SIGTERM with code 0", async () => {
    const health = await ask("/health");
    expect(health).toMatchObject({ http: 200, status: "healthy" });
    expect(JSON.stringify(health["weights"])).toContain("latentsync_unet.pt");
    server.kill("SIGTERM");
    await once(server, "exit");
    expect(server.exitCode).toBe(0);
  });

  it("says what is wrong with a setting", async () => {
    const { code, stderr } = await run("serve", "--max-queued", "many");
    expect(code).toBe(1);
    expect(stderr).toContain("MAX_QUEUED");
  });
});
