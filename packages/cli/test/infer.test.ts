import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { LipSyncEvent, RgbImage, VideoReader } from "@ls/core";
import { demoModelFolder } from "@ls/demo-model";
import { psnr } from "@ls/testing";
import { createFfmpegVideoSource, probeVideo, readImage } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { layOut } from "../src/demo/contact-sheet-markup.ts";
import { type Outcome, PROGRAM, run } from "./run.ts";

let folder: string;
/** What `demo` made: a face and speech of 1 s, a finished video and a contact sheet. */
let demo: { face: string; speech: string; model: string; output: string; sheet: string };
/** What `infer` made of it, and what it printed with `--json`. */
let result: { output: string; frames: string; outcome: Outcome };

const infer = (output: string, ...more: readonly string[]): readonly string[] => [
  ...["infer", "--video", demo.face, "--audio", demo.speech, "--out", output],
  ...["--model", demo.model, "--runtime", "cpu", "--inference-steps", "1", ...more],
];

/** The frames as they reach the encoder. */
async function expectSameFrames(actual: string, expected: string): Promise<void> {
  const names = await readdir(expected);
  expect(await readdir(actual)).toEqual(names);
  for (const name of names) {
    expect(await readFile(join(actual, name))).toEqual(await readFile(join(expected, name)));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-infer-"));
  const outcome = await run("demo", "--out", folder, "--seconds", "1", "--runtime", "cpu");
  demo = {
    face: join(folder, "face.mp4"),
    speech: join(folder, "speech.wav"),
    model: demoModelFolder(),
    output: join(folder, "demo.mp4"),
    sheet: join(folder, "contact-sheet.png"),
  };
  expect(outcome).toMatchObject({ code: 0, stdout: `${demo.output}\n${demo.sheet}\n` });
  expect((await readdir(folder)).toSorted()).toEqual([
    "contact-sheet.png",
    "demo.mp4",
    "face.mp4",
    "speech.wav",
  ]);
  const output = join(folder, "result.mp4");
  const frames = join(folder, "frames");
  result = {
    output,
    frames,
    outcome: await run(...infer(output, "--frames-out", frames, "--json")),
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a finished video", () => {
  it("has the speech's length, 25 frames a second, and both streams from time 0", async () => {
    const { durationSeconds, video, audio } = await probeVideo(demo.output);
    expect(video).toMatchObject({ codec: "h264", width: 480, height: 480, framesPerSecond: 25 });
    // 1 s of speech is 27 frames in the official count.
    expect(video.frameCount).toBe(27);
    expect(durationSeconds).toBeCloseTo(27 / 25, 2);
    expect(audio).toMatchObject({ codec: "aac", sampleRateHz: 16_000, channels: 1 });
  });

  it("has every pixel outside the face as it was, before encoding", async () => {
    const output = join(folder, "lossless.mkv");
    const frames = join(folder, "other-frames");
    const { code } = await run(
      ...infer(output, "--codec", "ffv1", "--frames-out", frames, "--seed", "5"),
    );
    expect(code).toBe(0);
    await using source = await createFfmpegVideoSource().open(demo.face);
    await using lossless = await createFfmpegVideoSource().open(output);
    const [before, after] = [await firstFrame(source), await firstFrame(lossless)];
    const changed = changedRows(before, after);
    expect(changed.length).toBeGreaterThan(20);
    expect(Math.min(...changed)).toBeGreaterThan(75);
    expect(Math.max(...changed)).toBeLessThan(420);
    // The frame that was written as PNG is the one that was encoded, but for the way to YCbCr.
    expect(await readdir(frames)).toHaveLength(27);
    const png = await readImage(join(frames, "0000.png"));
    expect(png).toMatchObject({ width: 480, height: 480 });
    expect(psnr(png.data, after)).toBeGreaterThan(30);
    // Another seed gives another mouth.
    expect(png.data).not.toEqual((await readImage(join(result.frames, "0000.png"))).data);
  });
});

describe("two devices", () => {
  it("make the same frames as one, and a trace of what each did", async () => {
    const frames = join(folder, "frames-of-two");
    const trace = join(folder, "trace.json");
    const output = join(folder, "two.mp4");
    const { code, stdout, stderr } = await run(
      ...infer(output, "--frames-out", frames, "--devices", "0,1", "--trace", trace),
      ...["--threads", String(availableParallelism())],
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${output}\n` });
    expect(stderr).toMatch(/^2 devices, 2 chunks at a time, about \d+\.\d GB of memory \(/m);
    expect(stderr).toMatch(/cpu 0 busy \d+\.\d % of \d+\.\d s, cpu 1 busy/);
    await expectSameFrames(frames, result.frames);
    const events = JSON.parse(await readFile(trace, "utf8")) as { name?: string; cat?: string }[];
    const names = events.flatMap(({ name, cat }) => (cat === "model" ? [name] : []));
    expect(names.filter((name) => name === "unet_guided")).toHaveLength(2);
    expect(events.filter(({ name }) => name === "write")).toHaveLength(27);
  });
});

describe("the demo", () => {
  it("makes a source of the speech's length, with sound of its own", async () => {
    const { durationSeconds, video, audio } = await probeVideo(demo.face);
    expect(video).toMatchObject({ width: 480, height: 480, frameCount: 25 });
    expect(durationSeconds).toBeCloseTo(1, 1);
    expect(audio).toMatchObject({ codec: "aac", sampleRateHz: 16_000 });
  });

  it("draws frames of both, and the curve, on a contact sheet", async () => {
    const sheet = await readImage(demo.sheet);
    const layout = layOut(8);
    expect(sheet).toMatchObject({ width: layout.width, height: layout.height });
    // Inside every tile there is a picture: its pixels differ.
    for (const left of layout.columns) {
      for (const top of [layout.sourceTop, layout.outputTop]) {
        expect(valuesOfRow(sheet, top + 90, left, 184).size).toBeGreaterThan(50);
      }
    }
    const { top, left, width, height } = layout.plot;
    expect(valuesOfRow(sheet, top + height - 2, left, width).size).toBeGreaterThan(5);
  });
});

function valuesOfRow(image: RgbImage, row: number, left: number, width: number): Set<number> {
  const start = (row * image.width + left) * 3;
  return new Set(image.data.subarray(start, start + width * 3));
}

async function firstFrame(reader: VideoReader): Promise<Uint8Array> {
  for await (const decoded of reader.frames({ end: 1 })) {
    using frame = decoded;
    return (await frame.toRgb()).data;
  }
  throw new Error("The video has no frame.");
}

function changedRows(before: Uint8Array, after: Uint8Array): number[] {
  const stride = 480 * 3;
  return Array.from({ length: 480 }, (_, row) => row).filter((row) =>
    before
      .subarray(row * stride, (row + 1) * stride)
      .some((value, index) => value !== after[row * stride + index]),
  );
}

describe("infer", () => {
  it("reports events as JSON, one a line", () => {
    const { code, stdout, stderr } = result.outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as LipSyncEvent);
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(["stage", "chunk", "step", "frames", "done"]),
    );
    expect(events.at(-1)).toMatchObject({ type: "done", result: { frames: 27 } });
  });

  it("takes the bundled model where none was pulled, and says so once", async () => {
    vi.stubEnv("HF_HOME", join(folder, "empty-hub"));
    try {
      const output = join(folder, "bundled.mp4");
      const frames = join(folder, "bundled-frames");
      const args = infer(output, "--frames-out", frames).filter(
        (arg) => arg !== "--model" && arg !== demo.model,
      );
      const { code, stderr } = await run(...args);
      expect(code).toBe(0);
      expect(stderr.match(/^.*demo model.*models pull latentsync-1\.6$/gm)).toHaveLength(1);
      await expectSameFrames(frames, result.frames);
      const broken = join(folder, "broken.wav");
      await writeFile(broken, "no sound");
      const { stdout } = await run(...args, "--audio", broken, "--json");
      expect(stdout.match(/^\{"type":"notice","message":".*demo model.*$/gm)).toHaveLength(1);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("takes an official command line, paths with spaces and a leading hyphen's kin", async () => {
    const spaced = join(folder, "a voice; of 'mine'.wav");
    await copyFile(demo.speech, spaced);
    const output = join(folder, "official out.mp4");
    const { code, stdout, stderr } = await run(
      ...["infer", "--unet_config_path", join(demo.model, "unet_config.yaml")],
      ...["--inference_ckpt_path", join(demo.model, "latentsync_unet.pt")],
      ...["--inference_steps", "3", "--guidance_scale", "1.0", "--enable_deepcache"],
      ...["--video_path", demo.face, "--audio_path", spaced, "--video_out_path", output],
      ...["--temp_dir", "temp", "--seed", "-1", "--runtime", "cpu"],
    );
    expect(code).toBe(0);
    expect(stdout).toBe(`${output}\n`);
    expect(stderr).toMatch(/^seed \d+$/m);
    expect((await probeVideo(output)).video.frameCount).toBe(27);
  });

  it("gives the same video from a converted model", async () => {
    const converted = join(folder, "converted");
    expect((await run("models", "convert", "--from", demo.model, "--to", converted)).code).toBe(0);
    const output = join(folder, "from-converted.mp4");
    const frames = join(folder, "from-converted");
    const args = infer(output, "--frames-out", frames).map((arg) =>
      arg === demo.model ? converted : arg,
    );
    expect((await run(...args)).code).toBe(0);
    await expectSameFrames(frames, result.frames);
    const wrong = await run(...args, "--precision", "float16");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/converted for cpu-float32, not for cpu-float16/);
  });
});

describe("wrong input", () => {
  const cases: readonly (readonly [string, () => readonly string[], RegExp])[] = [
    ["a video that is not there", () => ["--video", join(folder, "no.mp4")], /no\.mp4/],
    ["speech that is not there", () => ["--audio", join(folder, "no.wav")], /no\.wav/],
    ["text as video", () => ["--video", join(folder, "text.mp4")], /text\.mp4/],
    ["a video without sound as speech", () => ["--audio", join(folder, "frames/0000.png")], /png/],
    ["an output that is an input", () => ["--out", demo.speech], /is also the audio input/],
    ["a folder that is not there", () => ["--out", join(folder, "no/where/o.mp4")], /no\/where/],
    ["a model that is not there", () => ["--model", join(folder, "no-model")], /no-model/],
    ["a model that was not pulled", () => ["--model", "latentsync-1.5"], /models pull|not on this/],
    ["landmarks that are not JSON", () => ["--landmarks", join(folder, "text.mp4")], /text\.mp4/],
    ["InsightFace without its weights", () => ["--face-detector", "insightface"], /--face-model/],
    ["an unknown container", () => ["--out", join(folder, "o.xyz")], /xyz/],
  ];

  it.each(cases)("%s: one clear line, exit code 1, nothing written", async (_, args, message) => {
    await writeFile(join(folder, "text.mp4"), "This is no video.\n".repeat(50));
    const output = join(folder, "never.mp4");
    const outcome = await run(...infer(output), ...args());
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(message);
    const lines = outcome.stderr
      .trimEnd()
      .split("\n")
      .filter((line) => line.startsWith("error:"));
    expect(lines).toHaveLength(1);
    expect(outcome.stderr).not.toMatch(/\n {4}at /);
    await expect(stat(output)).rejects.toThrow();
  });

  it("is an event with --json", async () => {
    const output = join(folder, "never.mp4");
    const { code, stdout, stderr } = await run(...infer(output), "--video", "no.mp4", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")).toEqual({
      type: "error",
      code: "not_found",
      message: expect.stringContaining("no.mp4") as unknown,
      hint: expect.any(String) as unknown,
    });
    expect(stderr).toMatch(/^error: .*no\.mp4/);
  });
});

describe("stopping", () => {
  it("ends when nobody reads the output any more", async () => {
    const output = join(folder, "unread.mp4");
    const before = await readdir(folder);
    const args = infer(output, "--inference-steps", "500", "--json");
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = (await once(child, "close")) as [number | null];
    expect(code).toBe(1);
    expect(await readdir(folder)).toEqual(before);
  });

  it("ends with 130 after Ctrl-C and leaves nothing behind", async () => {
    const output = join(folder, "interrupted.mp4");
    const before = await readdir(folder);
    const args = infer(output, "--inference-steps", "500", "--json");
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let interrupted = false;
    let last = "";
    child.stdout.on("data", (chunk: Buffer) => {
      last = chunk.toString().trimEnd().split("\n").at(-1) ?? "";
      if (interrupted || !chunk.includes('"step"')) return;
      interrupted = true;
      child.kill("SIGINT");
    });
    const [code] = (await once(child, "close")) as [number | null];
    expect(code).toBe(130);
    expect(JSON.parse(last)).toMatchObject({ type: "error", code: "interrupted" });
    expect(await readdir(folder)).toEqual(before);
  });
});
