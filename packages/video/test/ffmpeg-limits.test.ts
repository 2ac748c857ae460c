/** What encoders and containers cannot do is gone round, or told before it is tried. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FF_ENCODER_FFV1 } from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSink, probeVideo } from "../src/ffmpeg/index.ts";
import { MediaInput } from "../src/ffmpeg/media-input.ts";
import {
  copyVideo,
  latentSyncError,
  listFolder,
  type TestVideo,
  useFolder,
  writeVideo,
  writeWav,
} from "./ffmpeg-fixtures.ts";

const file = useFolder();

async function video(settings: Partial<TestVideo> = {}): Promise<string> {
  return await writeVideo({
    path: file("input.mkv"),
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 64,
    frameCount: 8,
    ...settings,
  });
}

describe("small pictures", () => {
  it.each([
    ["hevc", 62, 64, "64x32"],
    ["hevc", 64, 29, "64x32"],
    ["av1", 24, 64, "32x32"],
    ["av1", 129, 18, "32x32"],
  ] as const)("are refused by %s at %ix%i", async (codec, width, height, least) => {
    const input = await video({ width, height, frameCount: 1 });
    const audioPath = await writeWav(file("sound.wav"), { seconds: 1 });
    const path = file("small.mp4");
    const preset = { hevc: "ultrafast", av1: "12" }[codec];
    const sink = createFfmpegVideoSink({ codec, preset });
    const error = await latentSyncError(copyVideo(input, { sink, path, audioPath }));
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain(least);
    expect(error.hint).toContain("h264");
    expect(await listFolder(dirname(path))).toEqual(["input.mkv", "sound.wav"]);
  });

  it("of a single large block give the same hevc file for the same frames", async () => {
    const input = await video({
      frameCount: 12,
      pattern: (component, x, y, index) => {
        const phase = (x + 1.7 * index) * 12.9898 + (y - index) * 78.233 + component;
        const value = Math.sin(phase) * 43_758.5453;
        return 40 + 170 * (value - Math.floor(value));
      },
    });
    const audioPath = await writeWav(file("sound.wav"), { seconds: 1 });
    const hashes = new Set<string>();
    const sink = createFfmpegVideoSink({ codec: "hevc", preset: "fast" });
    for (let round = 0; round < 6; round++) {
      const bytes = await readFile(
        await copyVideo(input, { sink, path: file(`same-${round}.mp4`), audioPath }),
      );
      hashes.add(createHash("sha256").update(bytes).digest("hex"));
    }
    expect(hashes.size).toBe(1);
  });
});

/** Silence in MP3: frames of mono at 8 kHz and 8 kbit/s. */
async function writeTelephoneMp3(path: string): Promise<string> {
  const frame = Buffer.alloc(72);
  frame.writeUInt32BE(0xff_e3_18_c4, 0);
  await writeFile(path, Buffer.concat(Array<Buffer>(30).fill(frame)));
  return path;
}

it.each([
  ["telephone.mp4", "aac"],
  ["telephone.mkv", "mp3"],
] as const)("puts MP3 of 8 kHz into %s, as %s", async (name, codec) => {
  const audioPath = await writeTelephoneMp3(file("telephone.mp3"));
  const sink = createFfmpegVideoSink({ preset: "ultrafast" });
  const output = await copyVideo(await video(), { sink, path: file(name), audioPath });
  const { audio } = await probeVideo(output);
  expect(audio).toEqual({ codec, sampleRateHz: 8000, channels: 1 });
});

it.each(["description", "synopsis", "composer", "lyrics", "title"])(
  "writes the tag %s into QuickTime files",
  async (key) => {
    const audioPath = await writeWav(file("sound.wav"), { seconds: 1 });
    const output = await copyVideo(await video({ frameCount: 1 }), {
      sink: createFfmpegVideoSink({ preset: "ultrafast" }),
      path: file("tagged.mov"),
      audioPath,
      metadata: { comment: "plain", [key]: "its text" },
    });
    await using opened = await MediaInput.open(output);
    expect(opened.context.metadata?.get(key)).toBe("its text");
    expect(opened.context.metadata?.get("comment")).toBe("plain");
  },
);

it("names the rate that an encoder does not take", async () => {
  const audioPath = await writeWav(file("sound.wav"), { seconds: 1 });
  const sink = createFfmpegVideoSink({ codec: "av1", preset: "12" });
  const copying = copyVideo(await video(), {
    sink,
    path: file("fast.mp4"),
    audioPath,
    framesPerSecond: 1000,
  });
  const error = await latentSyncError(copying);
  expect(error.code).toBe("invalid_argument");
  expect(error.message).toContain("1000 frames per second");
});
