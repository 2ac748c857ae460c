import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import { Resources, type RgbImage, type VideoReader } from "@ls/core";
import {
  createPerson,
  createSentence,
  createVoice,
  poseAt,
  renderHead,
  synthesizeSpeech,
} from "@ls/synthetic";
import { type LipSyncEvaluation, pearson } from "@ls/testing";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createPictureVideo,
  readImage,
  writeVideo,
} from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTruth } from "../src/evaluation/truth.ts";
import { run } from "./run.ts";

const SIZE = { width: 320, height: 320 } as const;
const PERSON = createPerson(3);
const FRAMES = 60;
/** The source is shorter: it is played forward and back. */
const SOURCE_FRAMES = 40;

/** Two mouths, 0 to 1, that have nothing to do with each other and never repeat. */
const newMouth = (frame: number): number =>
  0.5 + 0.3 * Math.sin(frame / 2.1) + 0.2 * Math.sin(frame / 3.7 + 1);
const oldMouth = (frame: number): number =>
  0.5 + 0.3 * Math.sin(frame / 5.3 + 2) + 0.2 * Math.sin(frame / 1.3);
/** Positions of the source that the pipeline would play. */
const played = (frame: number): number =>
  frame < SOURCE_FRAMES ? frame : 2 * SOURCE_FRAMES - 1 - frame;

let folder: string;
let files: { output: string; source: string; voice: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-evaluate-"));
  files = {
    output: join(folder, "output.mp4"),
    source: join(folder, "source.mp4"),
    voice: join(folder, "voice.wav"),
  };
  const voice = createVoice(3);
  const speech = synthesizeSpeech({ text: createSentence(3), voice, seconds: FRAMES / 25 });
  await writeWav(files.voice, speech.samples, speech.sampleRateHz);
  const face = (frame: number, mouthOpening: number): Promise<RgbImage> =>
    renderHead(
      {
        person: PERSON,
        pose: poseAt(PERSON, frame / 25),
        mouth: { opening: mouthOpening, spread: 0, teeth: 0.3, tongue: 0 },
      },
      { ...SIZE, placement: [190, 0, 0, 190, 160, 144] },
    );
  await encode(files.source, SOURCE_FRAMES, (frame) => face(frame, oldMouth(frame)));
  await encode(files.output, FRAMES, (frame) => face(played(frame), newMouth(frame)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function encode(
  path: string,
  frameCount: number,
  picture: (frame: number) => RgbImage | Promise<RgbImage>,
): Promise<void> {
  await using source: VideoReader = createPictureVideo({ ...SIZE, frameCount, picture });
  await writeVideo({ sink: createFfmpegVideoSink(), path, source, audioPath: files.voice });
}

async function writeTruth(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(content));
  return path;
}

const openings = (shift = 0): number[] =>
  Array.from({ length: FRAMES }, (_, frame) => newMouth(frame + shift));

const evaluate = async (...args: readonly string[]): Promise<LipSyncEvaluation> => {
  const { code, stdout, stderr } = await run("evaluate", files.output, ...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as LipSyncEvaluation;
};

describe("evaluate", () => {
  it("finds the drawn mouth in an encoded video, and not the source's", async () => {
    const truth = await writeTruth("truth.json", { framesPerSecond: 25, openings: openings() });
    const evaluation = await evaluate("--truth", truth, "--source", files.source);
    expect(evaluation).toMatchObject({
      frames: FRAMES,
      framesWithoutFace: 0,
      framesCompared: FRAMES,
      bestLag: { lagFrames: 0 },
      mouthPsnrDb: null,
    });
    expect(evaluation.correlation).toBeGreaterThan(0.95);
    const drawnCorrelation = pearson(
      openings(),
      Array.from({ length: FRAMES }, (_, frame) => oldMouth(played(frame))),
    );
    expect(Math.abs(evaluation.sourceCorrelation! - drawnCorrelation!)).toBeLessThan(0.1);
    expect(evaluation.ssimOutsideFace).toBeGreaterThan(0.98);
    expect(evaluation.ssimOutsideFace).toBeLessThan(1);
  });

  it.each([3, -2])("finds a truth that is shifted by %i frames", async (shift) => {
    const truth = await writeTruth("shifted.json", { openings: openings(shift) });
    const { correlation, bestLag } = await evaluate("--truth", truth, "--max-lag", "6");
    expect(bestLag?.lagFrames).toBe(shift);
    expect(bestLag?.correlation).toBeGreaterThan(0.95);
    expect(correlation).toBeLessThan(0.7);
  });

  it("knows the source's mouth where it was left as it was", async () => {
    const { code, stdout } = await run(
      ...["evaluate", files.source, "--truth", files.source, "--source", files.source],
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}frames +40, 0 without a face$/m);
    expect(stdout).toMatch(/^ {2}truth +the mouth of the true video, 40 frames$/m);
    expect(stdout).toMatch(/^ {2}correlation with the truth +1\.000 over 40 frames$/m);
    expect(stdout).toMatch(/^ {2}best lag +0 frames, where it is 1\.000$/m);
    expect(stdout).toMatch(/^ {2}correlation with the source's mouth +1\.000$/m);
    expect(stdout).toMatch(/^ {2}movement of the mouth +(0\.\d+) \(truth \1, source \1\)$/m);
    expect(stdout).toMatch(/^ {2}SSIM outside the face +1\.0000$/m);
    expect(stdout).toMatch(/^ {2}PSNR of the mouth +100\.0 dB$/m);
  });

  it("takes the sound's loudness where there is no truth, and writes report and plot", async () => {
    const out = join(folder, "evaluation");
    const { code, stdout, stderr } = await run("evaluate", files.output, "--out", out);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}truth +the loudness of its own sound, a cheap stand-in, \d+/m);
    expect(stderr).toBe("Measuring the mouth\n");
    expect((await readdir(out)).toSorted()).toEqual(["plot.png", "plot.svg", "report.json"]);
    const report = JSON.parse(await readFile(join(out, "report.json"), "utf8"));
    expect(report).toMatchObject({ truth: { kind: "loudness" }, frames: FRAMES });
    expect(report.openings.measured).toHaveLength(FRAMES);
    const plot = await readImage(join(out, "plot.png"));
    expect(plot).toMatchObject({ width: 2200, height: 1280 });
    // Every curve's colour is there.
    const colours = new Set<number>();
    for (let at = 0; at < plot.data.length; at += 3) {
      colours.add((plot.data[at]! << 16) | (plot.data[at + 1]! << 8) | plot.data[at + 2]!);
    }
    expect([0x1d5fb4, 0xe2711d].every((colour) => colours.has(colour))).toBe(true);
    expect(await readFile(join(out, "plot.svg"), "utf8")).toContain("loudness of the speech");
  });

  it("fails below the correlation that was asked for, after telling the figures", async () => {
    const truth = await writeTruth("wrong.json", {
      openings: Array.from({ length: FRAMES }, (_, frame) => oldMouth(frame)),
    });
    const args = ["evaluate", files.output, "--truth", truth, "--min-correlation"];
    const failed = await run(...args, "0.8");
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/correlation with the truth/);
    expect(failed.stderr).toMatch(
      /error: The correlation with the truth is -?0\.\d{3}, but at least 0\.8 was asked for\.$/m,
    );
  });

  it("says that no frame shows a face", async () => {
    const path = join(folder, "grey.mp4");
    const data = new Uint8Array(320 * 320 * 3).fill(90);
    await encode(path, 5, () => ({ ...SIZE, data }));
    const { code, stderr } = await run("evaluate", path);
    expect(code).toBe(1);
    expect(stderr).toMatch(/None of the 5 frames of the video shows a face/);
  });

  it("asks for a truth where there is no sound", async () => {
    const video = join(folder, "silent.txt");
    await writeFile(video, "no sound");
    await using resources = new Resources();
    const { signal } = new AbortController();
    const opening = openTruth(
      { video, truth: undefined, source: createFfmpegVideoSource(), signal },
      resources,
    );
    await expect(opening).rejects.toMatchObject({
      code: "invalid_media",
      hint: expect.stringContaining("give a truth"),
    });
  });

  it.each<[string, unknown, RegExp]>([
    ["of another length", { openings: [1, 2, 3] }, /has 60 frames, but the truth 3/],
    ["without openings", { mouth: [1] }, /does not hold a list of openings/],
    ["at another rate", { framesPerSecond: 30, openings: [1] }, /has 30 frames per second instead/],
    ["with words in it", { openings: [0, "wide"] }, /has "wide" at frame 1 instead of a number/],
    ["that is a list", [1, 2], /does not hold a list of openings/],
  ])("refuses a truth %s", async (_what, content, message) => {
    const truth = await writeTruth("bad.json", content);
    const { code, stderr } = await run("evaluate", files.output, "--truth", truth);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  it("says that a truth is not there", async () => {
    const truth = join(folder, "nowhere.json");
    const { code, stderr } = await run("evaluate", files.output, "--truth", truth);
    expect(code).toBe(1);
    expect(stderr).toMatch(/The truth .*nowhere\.json does not exist/);
  });
});
