import type { RgbImage } from "@ls/core";
import { psnr } from "@ls/testing";
import {
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT2020_NCL,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  FF_ENCODER_FFV1,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  FF_ENCODER_MPEG4,
} from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource, probeVideo } from "../src/ffmpeg/index.ts";
import {
  decode,
  expectNear,
  firstFrame,
  latentSyncError,
  pixel,
  readAll,
  type TestVideo,
  useFolder,
  writeVideo,
} from "./ffmpeg-fixtures.ts";

const file = useFolder();
const source = createFfmpegVideoSource();

const CODECS: readonly (Pick<TestVideo, "encoder" | "format" | "settings"> & {
  readonly name: string;
})[] = [
  {
    name: "h264.mp4",
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    settings: { preset: "fast" },
  },
  {
    name: "open-gop.mp4",
    encoder: FF_ENCODER_LIBX265,
    format: "yuv420p",
    settings: { preset: "fast", "x265-params": "log-level=none:keyint=10:open-gop=1:bframes=3" },
  },
  {
    name: "hevc10.mkv",
    encoder: FF_ENCODER_LIBX265,
    format: "yuv420p10le",
    settings: { preset: "ultrafast", "x265-params": "log-level=none:keyint=10" },
  },
  {
    name: "vp9.webm",
    encoder: FF_ENCODER_LIBVPX_VP9,
    format: "yuv420p",
    settings: { deadline: "realtime", "cpu-used": 8 },
  },
  { name: "mpeg4.avi", encoder: FF_ENCODER_MPEG4, format: "yuv420p", settings: { bf: 2 } },
  { name: "h264.ts", encoder: FF_ENCODER_LIBX264, format: "yuv420p", settings: { preset: "fast" } },
  { name: "ffv1.mkv", encoder: FF_ENCODER_FFV1, format: "yuv444p", settings: {} },
];

describe("codecs and containers", () => {
  it.each(CODECS)("reads $name forward, backward in blocks, and from the middle", async (codec) => {
    const path = await writeVideo({
      ...codec,
      path: file(codec.name),
      width: 64,
      height: 48,
      frameCount: 70,
    });
    await using reader = await source.open(path);
    const all = await readAll(reader);
    expect(all).toHaveLength(70);
    for (let end = 70; end > 0; end -= 9) {
      const start = Math.max(0, end - 9);
      expect(await readAll(reader, { start, end })).toEqual(all.slice(start, end));
    }
    await using fresh = await source.open(path);
    expect(await readAll(fresh, { start: 61 })).toEqual(all.slice(61));
    expect(await readAll(fresh, { start: 2, end: 5 })).toEqual(all.slice(2, 5));
  });

  it("tells what a file is without decoding it", async () => {
    expect(await probeVideo(file("open-gop.mp4"))).toMatchObject({
      video: {
        codec: "hevc",
        pixelFormat: "yuv420p",
        width: 64,
        height: 48,
        framesPerSecond: 25,
        frameCount: 70,
      },
      audio: undefined,
    });
  });
});

describe("time", () => {
  const lossless = { encoder: FF_ENCODER_FFV1, format: "gray", width: 16, height: 16 } as const;

  /** Frames that tell their position by their brightness. */
  async function write(name: string, timeMs: (index: number) => number): Promise<string> {
    return await writeVideo({
      ...lossless,
      path: file(name),
      frameCount: 60,
      timeMs,
      pattern: (_component, _x, _y, index) => index * 4,
    });
  }

  const positions = (images: readonly RgbImage[]): number[] =>
    images.map(({ data }) => (data[0] as number) / 4);

  async function shown(name: string, timeMs: (index: number) => number): Promise<number[]> {
    return positions(await decode(await write(name, timeMs)));
  }

  it("keeps 25 frames per second as they are", async () => {
    const frames = await shown("25.mkv", (index) => index * 40);
    expect(frames).toEqual(Array.from({ length: 60 }, (_, index) => index));
  });

  it("brings 30 frames per second to 25 as ffmpeg 7 does, when asked", async () => {
    const path = await write("30.mkv", (index) => Math.round((index * 1001) / 30));
    await using reader = await createFfmpegVideoSource({ rateConversion: "ffmpeg" }).open(path);
    expect(positions(await readAll(reader)).join(" ")).toBe(
      "0 1 2 3 4 5 6 7 8 9 10 11 13 14 15 16 17 19 20 21 22 23 25 26 27 28 29 31 32 33 34 35 37 " +
        "38 39 40 41 43 44 45 46 47 49 50 51 52 53 55 56 57 58 59",
    );
  });

  it("brings a varying rate to 25, the same on every pass", async () => {
    const time = (index: number): number => index * 20 + (index % 5) * 4 + (index > 30 ? 400 : 0);
    const frames = await shown("varying.mkv", time);
    const seconds = time(59) / 1000;
    expect(Math.abs(frames.length - seconds * 25)).toBeLessThanOrEqual(1);
    expect(frames).toEqual(frames.toSorted((a, b) => a - b));
    await using reader = await source.open(file("varying.mkv"));
    const all = await readAll(reader);
    expect(await readAll(reader, { start: 11, end: 40 })).toEqual(all.slice(11, 40));
  });

  it("gives another rate when asked", async () => {
    await shown("rate.mkv", (index) => index * 40);
    await using reader = await createFfmpegVideoSource({ framesPerSecond: 50 }).open(
      file("rate.mkv"),
    );
    expect(reader.info.framesPerSecond).toBe(50);
    expect(await readAll(reader)).toHaveLength(120);
  });
});

describe("orientation", () => {
  const ONE = 1 << 16;
  const W = 1 << 30;
  // Brightness grows to the right, colour differs from top to bottom.
  const pattern = (component: number, x: number, y: number): number =>
    component === 0 ? 40 + 3 * x : component === 1 ? 60 + 4 * y : 128;

  it.each([
    ["quarter turn", [0, ONE, 0, -ONE, 0, 0, 0, 0, W], [32, 48], [31, 0], [0, 0]],
    ["three-quarter turn", [0, -ONE, 0, ONE, 0, 0, 0, 0, W], [32, 48], [0, 47], [31, 47]],
    ["half turn", [-ONE, 0, 0, 0, -ONE, 0, 0, 0, W], [48, 32], [47, 31], [47, 0]],
    ["mirror", [-ONE, 0, 0, 0, ONE, 0, 0, 0, W], [48, 32], [47, 0], [47, 31]],
    ["water reflection", [ONE, 0, 0, 0, -ONE, 0, 0, 0, W], [48, 32], [0, 31], [0, 0]],
    ["upright", [ONE, 0, 0, 0, ONE, 0, 0, 0, W], [48, 32], [0, 0], [0, 31]],
  ] as const)("undoes a %s", async (name, displayMatrix, size, topLeft, bottomLeft) => {
    const video = {
      encoder: FF_ENCODER_LIBX264,
      format: "yuv420p",
      width: 48,
      height: 32,
      frameCount: 3,
      pattern,
      settings: { qp: 0, preset: "ultrafast" },
    };
    const plain = await writeVideo({ ...video, path: file(`${name}-plain.mp4`) });
    const path = await writeVideo({ ...video, path: file(`${name}.mp4`), displayMatrix });
    const [original] = await decode(plain);
    await using reader = await source.open(path);
    const [turned] = await readAll(reader);
    if (!original || !turned) throw new Error("no frame");
    expect([turned.width, turned.height]).toEqual(size);
    expect([reader.info.width, reader.info.height]).toEqual(size);
    expect((await probeVideo(path)).video).toMatchObject({ width: size[0], height: size[1] });
    // Where two corners of the coded picture are shown. Chroma siting differs by half a sample.
    expectNear(pixel(turned, topLeft[0], topLeft[1]), pixel(original, 0, 0), 4);
    expectNear(pixel(turned, bottomLeft[0], bottomLeft[1]), pixel(original, 0, 31), 4);
  });

  it("refuses other angles", async () => {
    const s = Math.round(ONE * Math.SQRT1_2);
    const path = await writeVideo({
      path: file("tilted.mp4"),
      encoder: FF_ENCODER_LIBX264,
      format: "yuv420p",
      width: 48,
      height: 32,
      frameCount: 1,
      displayMatrix: [s, s, 0, -s, s, 0, 0, 0, W],
    });
    const error = await latentSyncError(source.open(path));
    expect(error.code).toBe("unsupported");
    expect(error.message).toContain("45 degrees");
  });
});

describe("colour", () => {
  const YUV = [120, 100, 170] as const;
  const flat = (component: number): number => YUV[component] ?? 0;

  it.each([
    // RGB of that colour by the definition of each matrix and range, computed in double precision.
    ["BT.709 limited", AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, "yuv420p", [196.39, 104.68, 61.95]],
    ["BT.709 full", AVCOL_SPC_BT709, AVCOL_RANGE_JPEG, "yuv420p", [186.14, 105.58, 68.04]],
    ["BT.601 limited", AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, "yuv420p", [188.13, 97.92, 64.61]],
    ["BT.601 full", AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG, "yuv444p", [178.88, 99.64, 70.38]],
    ["BT.2020 limited", AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_MPEG, "yuv420p", [191.6, 99.02, 61.13]],
    ["BT.709, 10 bit", AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, "yuv420p10le", [196.39, 104.68, 61.95]],
  ] as const)("converts %s", async (name, colorSpace, colorRange, format, expected) => {
    const path = await writeVideo({
      path: file(`${name}.mkv`),
      encoder: FF_ENCODER_FFV1,
      format,
      width: 32,
      height: 32,
      frameCount: 1,
      pattern: flat,
      colorSpace,
      colorRange,
    });
    const [image] = await decode(path);
    if (!image) throw new Error("no frame");
    expectNear(pixel(image, 15, 15), expected, 1);
    expectNear(pixel(image, 0, 31), expected, 1);
  });

  it("takes BT.601 for small and BT.709 for large pictures that do not say", async () => {
    const common = { encoder: FF_ENCODER_FFV1, format: "yuv420p", frameCount: 1, pattern: flat };
    const small = await writeVideo({ ...common, path: file("sd.mkv"), width: 64, height: 48 });
    const large = await writeVideo({ ...common, path: file("hd.mkv"), width: 64, height: 720 });
    const [sd] = await decode(small);
    const [hd] = await decode(large);
    if (!sd || !hd) throw new Error("no frame");
    expectNear(pixel(sd, 9, 9), [188, 98, 65], 1);
    expectNear(pixel(hd, 9, 9), [196, 105, 62], 1);
  });

  it("gives RGB sources back exactly", async () => {
    const pattern = (component: number, x: number, y: number, index: number): number =>
      (x * 7 + y * 13 + component * 50 + index) % 256;
    const video = { encoder: FF_ENCODER_FFV1, width: 37, height: 23, frameCount: 2, pattern };
    const path = await writeVideo({ ...video, path: file("rgb.mkv"), format: "bgr0" });
    const [, image] = await decode(path);
    // bgr0 stores blue first.
    const expected = Uint8Array.from({ length: 37 * 23 * 3 }, (_, at) => {
      const place = Math.floor(at / 3);
      return pattern(2 - (at % 3), place % 37, Math.floor(place / 37), 1);
    });
    expect(image?.data).toEqual(expected);
  });

  it("reads full-range formats of old files as their plain kin", async () => {
    const path = await writeVideo({
      path: file("mjpeg-like.mkv"),
      encoder: FF_ENCODER_LIBX264,
      format: "yuvj420p",
      width: 32,
      height: 32,
      frameCount: 1,
      pattern: flat,
      settings: { qp: 0 },
      colorSpace: AVCOL_SPC_BT709,
    });
    const [image] = await decode(path);
    if (!image) throw new Error("no frame");
    expectNear(pixel(image, 5, 5), [186, 106, 68], 1);
  });
});

describe("frames", () => {
  it.each(["yuv420p", "yuv420p10le", "yuv444p"])("cuts regions out of odd %s", async (format) => {
    const path = await writeVideo({
      path: file(`odd-${format}.mkv`),
      encoder: FF_ENCODER_FFV1,
      format,
      width: 61,
      height: 43,
      frameCount: 1,
    });
    await using reader = await source.open(path);
    using frame = await firstFrame(reader);
    const whole = await frame.toRgb();
    expect([whole.width, whole.height]).toEqual([61, 43]);
    for (const [x, y, width, height] of [
      [60, 42, 1, 1],
      [17, 9, 30, 31],
      [0, 0, 61, 43],
      [33, 0, 28, 43],
    ] as const) {
      const region = await frame.toRgb({ x, y, width, height });
      const rows = Array.from({ length: height }, (_, row) => {
        const at = ((y + row) * 61 + x) * 3;
        return [...whole.data.subarray(at, at + width * 3)];
      });
      expect([...region.data]).toEqual(rows.flat());
    }
  });

  it("allows one iteration at a time", async () => {
    const path = file("h264.mp4");
    await using reader = await source.open(path);
    for await (const frame of reader.frames()) {
      using owned = frame;
      expect(owned.index).toBe(0);
      const error = await latentSyncError(readAll(reader));
      expect(error.code).toBe("invalid_argument");
      break;
    }
    expect(await readAll(reader)).toHaveLength(70);
  });

  it("waits for the frame under way when it is disposed", async () => {
    const reader = await source.open(file("h264.mp4"));
    const iterator = reader.frames()[Symbol.asyncIterator]();
    const next = iterator.next();
    await reader[Symbol.asyncDispose]();
    const outcome = await next.then(
      ({ value }) => value?.[Symbol.dispose](),
      (error: unknown) => error,
    );
    expect(outcome === undefined || outcome instanceof Error).toBe(true);
    expect((await latentSyncError(iterator.next())).code).toBe("disposed");
  });

  it("agrees with the picture that was encoded", async () => {
    const path = await writeVideo({
      path: file("quality.mp4"),
      encoder: FF_ENCODER_LIBX264,
      format: "yuv420p",
      width: 64,
      height: 64,
      frameCount: 5,
      settings: { crf: 10 },
    });
    const lossless = await writeVideo({
      path: file("quality.mkv"),
      encoder: FF_ENCODER_FFV1,
      format: "yuv420p",
      width: 64,
      height: 64,
      frameCount: 5,
    });
    const actual = await decode(path);
    for (const [index, image] of (await decode(lossless)).entries()) {
      expect(psnr(actual[index]?.data ?? [], image.data)).toBeGreaterThan(40);
    }
  });
});
