/** Hardware is chosen, fails and gives way; none is needed here. */
import { readFile } from "node:fs/promises";
import {
  AV_PIX_FMT_NV12,
  AVCHROMA_LOC_LEFT,
  AV_PIX_FMT_YUV420P,
  FF_ENCODER_FFV1,
  FF_ENCODER_LIBX264,
} from "node-av/constants";
import type { CodecContext } from "node-av/lib";
import { describe, expect, it } from "vitest";
import {
  downloadFrame,
  HARDWARE_DEVICES,
  type HardwareAcceleration,
  type HardwareDevice,
  type HardwareDeviceName,
  VideoHardware,
} from "../src/ffmpeg/hardware.ts";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  probeVideoHardware,
} from "../src/ffmpeg/index.ts";
import { allocateFrame, framePlanes, referenceFrame } from "../src/ffmpeg/native-frame.ts";
import { VIDEO_ENCODERS } from "../src/ffmpeg/output-format.ts";
import { FfmpegVideoReader } from "../src/ffmpeg/video-reader.ts";
import { FfmpegVideoWriter } from "../src/ffmpeg/video-writer.ts";
import { copyVideo, type TestVideo, useFolder, writeVideo, writeWav } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const FRAMES = 14;

function clip(name: string, change: Partial<TestVideo> = {}): Promise<string> {
  return writeVideo({
    path: file(name),
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: FRAMES,
    ...change,
  });
}

/** How a device behaves that only seems to be there: software behind it does the work. */
interface Behaviour {
  readonly attaches?: boolean;
  /** Frames that come back before one does not. */
  readonly goodFrames?: number;
}

class Bench {
  readonly notices: string[] = [];
  readonly opened: HardwareDeviceName[] = [];
  disposed = 0;
  downloads = 0;
  readonly hardware: VideoHardware;

  constructor(
    acceleration: HardwareAcceleration,
    present: Partial<Record<HardwareDeviceName, Behaviour>>,
  ) {
    this.hardware = new VideoHardware({
      acceleration,
      onNotice: (message) => this.notices.push(message),
      openDevice: (name) => this.#open(name, present[name]),
    });
  }

  #open(name: HardwareDeviceName, behaviour: Behaviour | undefined): HardwareDevice {
    this.opened.push(name);
    if (behaviour === undefined) throw new Error(`no ${name} today`);
    return {
      name,
      context: undefined,
      attach: (_context: CodecContext) => behaviour.attaches ?? true,
      download: async (frame) => {
        this.downloads += 1;
        if (this.downloads > (behaviour.goodFrames ?? Infinity)) throw new Error("a lost surface");
        return await Promise.resolve(referenceFrame(frame));
      },
      [Symbol.dispose]: () => {
        this.disposed += 1;
      },
    };
  }
}

/** Every frame's RGB, forward and then from the middle again. */
async function pictures(path: string, hardware: VideoHardware): Promise<Uint8Array[]> {
  await using reader = await FfmpegVideoReader.open(path, {
    framesPerSecond: 25,
    rateConversion: "nearest",
    threads: 1,
    hardware,
  });
  const seen: Uint8Array[] = [];
  for (const range of [{}, { start: 5, end: 9 }]) {
    for await (const decoded of reader.frames(range)) {
      using frame = decoded;
      seen.push((await frame.toRgb()).data);
    }
  }
  return seen;
}

const software = (): VideoHardware => new VideoHardware({ acceleration: "none" });

describe("decoding", () => {
  it.each<[string, HardwareAcceleration, Partial<Record<HardwareDeviceName, Behaviour>>, RegExp[]]>(
    [
      ["works", "auto", { cuda: {} }, []],
      ["is not there", "auto", {}, []],
      ["is not there, though named", "qsv", {}, [/in software: no qsv today\.$/u]],
      [
        "has no such decoder",
        "auto",
        { vaapi: { attaches: false } },
        [/vaapi does not decode h264/u],
      ],
      [
        "fails on the first frame",
        "auto",
        { cuda: { goodFrames: 0 } },
        [/cuda failed at frame 0/u],
      ],
      ["fails on a later frame", "cuda", { cuda: { goodFrames: 6 } }, [/cuda failed at frame 6/u]],
      [
        "fails on the first frame after a seek",
        "auto",
        { qsv: { goodFrames: FRAMES } },
        [/qsv failed/u],
      ],
      ["fails after a seek", "auto", { qsv: { goodFrames: FRAMES + 1 } }, [/qsv failed at frame/u]],
    ],
  )("gives the frames of software when the device %s", async (_what, name, present, notices) => {
    const path = await clip("clip.mp4");
    const bench = new Bench(name, present);
    expect(await pictures(path, bench.hardware)).toEqual(await pictures(path, software()));
    expect(bench.notices).toEqual(notices.map((notice) => expect.stringMatching(notice)));
    expect(bench.disposed).toBe(bench.opened.filter((device) => present[device]).length);
  });

  it("uses the device for every frame, and asks only until one is there", async () => {
    const bench = new Bench("auto", { vaapi: {} });
    await pictures(await clip("clip.mp4"), bench.hardware);
    expect(bench.downloads).toBeGreaterThanOrEqual(FRAMES);
    expect(bench.opened).toEqual(HARDWARE_DEVICES);
  });

  it("does not ask again for what is not there", async () => {
    const bench = new Bench("auto", {});
    const path = await clip("clip.mp4");
    for (let round = 0; round < 2; round++) await pictures(path, bench.hardware);
    expect(bench.opened).toEqual(HARDWARE_DEVICES);
  });

  it.each<[string, Partial<TestVideo>]>([
    ["10 bit", { encoder: FF_ENCODER_FFV1, format: "yuv420p10le" }],
    ["with alpha or RGB", { encoder: FF_ENCODER_FFV1, format: "bgr0" }],
    ["of odd size", { encoder: FF_ENCODER_FFV1, width: 63 }],
  ])("leaves video %s to software", async (_what, change) => {
    const path = await clip("special.mkv", change);
    const quiet = new Bench("auto", { cuda: {} });
    expect(await pictures(path, quiet.hardware)).toHaveLength(FRAMES + 4);
    expect([quiet.opened, quiet.notices]).toEqual([[], []]);
    const named = new Bench("cuda", { cuda: {} });
    await pictures(path, named.hardware);
    expect(named.opened).toEqual([]);
    expect(named.notices).toHaveLength(1);
  });

  it("brings a device's interleaved chroma back as it was", async () => {
    using surface = allocateFrame(AV_PIX_FMT_NV12, 32, 16);
    for (const [index, { data }] of framePlanes(surface).entries()) {
      for (let at = 0; at < data.length; at++) data[at] = (at * 7 + index * 50) % 251;
    }
    surface.pts = 42n;
    surface.chromaLocation = AVCHROMA_LOC_LEFT;
    using memory = await downloadFrame(surface);
    expect([memory.format, memory.pts]).toEqual([AV_PIX_FMT_YUV420P, 42n]);
    const [luma, chroma] = framePlanes(surface);
    const [y, u, v] = framePlanes(memory);
    for (let row = 0; row < 16; row++) {
      for (let column = 0; column < 32; column++) {
        expect(y!.data[row * y!.stride + column]).toBe(luma!.data[row * luma!.stride + column]);
      }
    }
    for (let row = 0; row < 8; row++) {
      for (let column = 0; column < 16; column++) {
        const at = row * chroma!.stride + column * 2;
        expect(u!.data[row * u!.stride + column]).toBe(chroma!.data[at]);
        expect(v!.data[row * v!.stride + column]).toBe(chroma!.data[at + 1]);
      }
    }
  });

  it("refuses a device that it does not know", () => {
    expect(() => createFfmpegVideoSource({ hardware: "abacus" as "auto" })).toThrow(/abacus/u);
    expect(() => createFfmpegVideoSink({ hardware: "abacus" as "auto" })).toThrow(/abacus/u);
  });
});

/** The file that is written for the pictures of `input`. */
async function written(name: string, hardware: VideoHardware, input: string): Promise<Uint8Array> {
  const profile = VIDEO_ENCODERS.h264;
  const settings = { codec: "h264", profile, crf: 18, preset: undefined, hardware } as const;
  const path = await copyVideo(input, {
    sink: { create: (options) => FfmpegVideoWriter.create(options, settings) },
    path: file(name),
    audioPath: await writeWav(file("sound.wav"), { seconds: 1 }),
  });
  return await readFile(path);
}

describe("encoding", () => {
  it.each<[string, HardwareAcceleration, Partial<Record<HardwareDeviceName, Behaviour>>, RegExp[]]>(
    [
      ["auto", "auto", { cuda: {}, qsv: {} }, []],
      ["a device that is not there", "cuda", {}, [/encoded in software: no cuda today\.$/u]],
      ["an encoder that refuses", "cuda", { cuda: {} }, [/h264_nvenc does not take/u]],
      [
        "an encoder that this build has not",
        "videotoolbox",
        { videotoolbox: {} },
        [/no h264 encoder/u],
      ],
    ],
  )("writes the file of software with %s", async (_what, name, present, notices) => {
    const bench = new Bench(name, present);
    // One clip for both: the fixture's x264 does not give the same file every time.
    const input = await clip("clip.mp4");
    const expected = await written("software.mp4", software(), input);
    const actual = await written("hardware.mp4", bench.hardware, input);
    expect(Buffer.compare(actual, expected)).toBe(0);
    expect(bench.notices).toEqual(notices.map((notice) => expect.stringMatching(notice)));
    expect(bench.disposed).toBe(name === "cuda" && present.cuda ? 1 : 0);
  });

  it("leaves pictures that would be padded to software", async () => {
    const input = await clip("odd.mkv", { encoder: FF_ENCODER_FFV1, width: 63 });
    const bench = new Bench("cuda", { cuda: {} });
    const expected = await written("software.mp4", software(), input);
    const actual = await written("hardware.mp4", bench.hardware, input);
    expect(Buffer.compare(actual, expected)).toBe(0);
    expect(bench.opened).toEqual([]);
    expect(bench.notices).toEqual([expect.stringMatching(/even sides/u)]);
  });
});

describe("probeVideoHardware", () => {
  it("tells of every device whether it is there and which encoders are built in", () => {
    const found = probeVideoHardware();
    expect(found.map(({ name }) => name)).toEqual(HARDWARE_DEVICES);
    for (const { available } of found) expect(typeof available).toBe("boolean");
    const built = new Map(found.map(({ name, encoders }) => [name, encoders]));
    if (process.platform === "linux" && process.arch === "x64") {
      expect(built.get("cuda")).toEqual(["h264_nvenc", "hevc_nvenc", "av1_nvenc"]);
      expect(built.get("vaapi")).toEqual(["h264_vaapi", "hevc_vaapi"]);
      expect(built.get("videotoolbox")).toEqual([]);
    }
  });
});
