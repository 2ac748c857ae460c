import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { COUPLE_SIZE, drawCouple } from "./couple.ts";
import { run } from "./run.ts";

const FRAMES = 12;

let folder: string;
let video: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-faces-"));
  video = join(folder, "couple.mkv");
  const audioPath = join(folder, "silence.wav");
  await writeWav(audioPath, new Float32Array((16_000 * FRAMES) / 25), 16_000);
  const source = createPictureVideo({
    ...COUPLE_SIZE,
    frameCount: FRAMES,
    picture: drawCouple,
  });
  const sink = createFfmpegVideoSink({ codec: "ffv1" });
  await writeVideo({ sink, path: video, source, audioPath });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("writes a sheet with a row for each person, and their tracks as JSON", async () => {
  const [sheet, tracks] = [join(folder, "sheet.png"), join(folder, "tracks.json")];
  const { code, stdout, stderr } = await run("faces", video, "--out", sheet, "--json", tracks);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^ {2}1 .*12 frames.*\n {2}2 .*12 frames.*\n$/);
  const interval = { shot: 0, startSeconds: 0, endSeconds: FRAMES / 25 };
  const track = { frames: FRAMES, intervals: [interval], speakingShare: 0 };
  const found = JSON.parse(await readFile(tracks, "utf8")) as {
    readonly tracks: readonly { readonly box: { readonly x: number; readonly width: number } }[];
  };
  expect(found).toMatchObject({
    ...{ ...COUPLE_SIZE, video, framesPerSecond: 25, frames: FRAMES },
    tracks: [
      { ...track, number: 1 },
      { ...track, number: 2 },
    ],
  });
  const [left, right] = found.tracks.map(({ box }) => box.x + box.width / 2);
  expect(left).toBeLessThan(320);
  expect(right).toBeGreaterThan(350);
  const { width, height } = await sharp(sheet).metadata();
  expect(width).toBeGreaterThan(900);
  expect(height).toBeGreaterThan(2 * 150);
});

it("prints JSON if no file is named", async () => {
  const out = join(folder, "part.png");
  const { code, stdout } = await run("faces", video, "--out", out, "--json", "--end", "0.2");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ frames: 5, tracks: [{ number: 1 }, { number: 2 }] });
});
