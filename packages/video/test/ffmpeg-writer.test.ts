import { readFile, stat } from "node:fs/promises";
import { LatentSyncError, type VideoFrame, type VideoReader } from "@ls/core";
import { psnr } from "@ls/testing";
import {
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_SMPTE170M,
  AVMEDIA_TYPE_VIDEO,
  FF_ENCODER_FFV1,
} from "node-av/constants";
import { Rational } from "node-av/lib";
import { describe, expect, it } from "vitest";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  type FfmpegVideoSinkOptions,
  probeVideo,
} from "../src/ffmpeg/index.ts";
import { MediaInput } from "../src/ffmpeg/media-input.ts";
import {
  type CopyOptions,
  copyVideo,
  decode,
  latentSyncError,
  listFolder,
  readAll,
  type TestVideo,
  useFolder,
  writeVideo,
  writeWav,
} from "./ffmpeg-fixtures.ts";
import { nativeFrames } from "./native-samples.ts";

const file = useFolder();
const source = createFfmpegVideoSource();

async function sound(): Promise<string> {
  return writeWav(file("sound.wav"), { seconds: 4 });
}

function video(name: string, settings: Partial<TestVideo> = {}): Promise<string> {
  return writeVideo({
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: 6,
    ...settings,
    path: file(name),
  });
}

async function copy(
  input: string,
  output: string,
  options: FfmpegVideoSinkOptions & Pick<CopyOptions, "edit">,
): Promise<string> {
  return await copyVideo(input, {
    ...options,
    sink: createFfmpegVideoSink(options),
    path: file(output),
    audioPath: await sound(),
  });
}

/** The samples of all frames, plane by plane, without padding. */
async function samples(path: string): Promise<Buffer[][]> {
  return (await nativeFrames(path)).map(({ planes }) => planes.map(({ data }) => data));
}

async function streamParameters(path: string): Promise<Record<string, unknown>> {
  await using input = await MediaInput.open(path);
  const stream = input.bestStream(AVMEDIA_TYPE_VIDEO);
  if (!stream) throw new Error("no video");
  const { colorSpace, colorRange, colorPrimaries, colorTrc, width, height } = stream.codecpar;
  const aspect = stream.sampleAspectRatio;
  return {
    colorSpace,
    colorRange,
    colorPrimaries,
    colorTrc,
    width,
    height,
    aspect: `${aspect.num}:${aspect.den}`,
  };
}

const PATCH = { x: 13, y: 9, width: 30, height: 21 };

describe("patches", () => {
  it.each([
    ["yuv420p", 64, 48],
    ["yuv420p10le", 64, 48],
    ["yuv444p", 64, 48],
    ["yuv420p", 61, 43],
    ["bgr0", 64, 48],
    ["gray", 64, 48],
  ] as const)(
    "leave all samples of %s %ix%i outside as they are",
    async (format, width, height) => {
      const name = `${format}-${width}.mkv`;
      const input = await video(name, { format, width, height });
      const edit: CopyOptions["edit"] = async (frame) => {
        const patch = await frame.toRgb(PATCH);
        patch.data.forEach((value, at) => (patch.data[at] = 255 - value));
        return [{ ...PATCH, ...patch }];
      };
      const output = await copy(input, `out-${name}`, { codec: "ffv1", edit });
      const before = await samples(input);
      const after = await samples(output);
      expect(after).toHaveLength(6);
      const chroma = format.includes("420") ? 2 : 1;
      const bytes = format.includes("10le") ? 2 : format === "bgr0" ? 4 : 1;
      let changed = 0;
      for (const [index, planes] of after.entries()) {
        for (const [plane, data] of planes.entries()) {
          const scale = plane === 0 ? 1 : chroma;
          const columns = Math.ceil(width / scale);
          for (const [at, value] of data.entries()) {
            if (value === before[index]?.[plane]?.[at]) continue;
            changed += 1;
            const x = (Math.floor(at / bytes) % columns) * scale;
            const y = Math.floor(at / bytes / columns) * scale;
            expect(x >= PATCH.x && x + scale <= PATCH.x + PATCH.width).toBe(true);
            expect(y >= PATCH.y && y + scale <= PATCH.y + PATCH.height).toBe(true);
          }
        }
      }
      expect(changed).toBeGreaterThan(6 * PATCH.width * PATCH.height * 0.8);
    },
  );

  it("that change nothing keep every bit", async () => {
    const input = await video("same.mkv", { format: "yuv420p10le" });
    const output = await copy(input, "same-out.mkv", {
      codec: "ffv1",
      edit: async (frame) => [{ ...PATCH, ...(await frame.toRgb(PATCH)) }],
    });
    expect(await samples(output)).toEqual(await samples(input));
  });

  it.each([
    [61, 43, { x: 40, y: 20, width: 21, height: 23 }],
    [64, 48, { x: 0, y: 0, width: 64, height: 48 }],
  ])("show their colours in a frame of %ix%i", async (width, height, area) => {
    const input = await video(`colours-${width}.mkv`, { width, height });
    const colour = [200, 40, 90];
    const data = Uint8Array.from({ length: area.width * area.height * 3 }, (_, at) => {
      return colour[at % 3] ?? 0;
    });
    const output = await copy(input, `colours-out-${width}.mkv`, {
      codec: "ffv1",
      edit: async () => [{ ...area, data }],
    });
    const [image] = await decode(output);
    if (!image) throw new Error("no frame");
    for (const [x, y] of [
      [area.x + 3, area.y + 3],
      [width - 1, height - 1],
      [width - 1, area.y + 4],
      [area.x + 4, height - 1],
    ] as const) {
      const at = (y * width + x) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const off = Math.abs((image.data[at + channel] as number) - (colour[channel] as number));
        expect(off).toBeLessThanOrEqual(3);
      }
    }
  });
});

describe("codecs", () => {
  it.each([
    ["h264", "h264.mp4", "yuv420p", "h264", "yuv420p"],
    ["h264", "h264-10.mov", "yuv420p10le", "h264", "yuv420p"],
    ["hevc", "hevc.mp4", "yuv420p10le", "hevc", "yuv420p10le"],
    ["av1", "av1.mkv", "yuv420p10le", "av1", "yuv420p10le"],
    ["vp9", "vp9.webm", "yuv444p", "vp9", "yuv420p"],
    ["ffv1", "ffv1.mkv", "yuv422p", "ffv1", "yuv422p"],
  ] as const)("writes %s to %s from %s", async (codec, name, format, codecName, pixelFormat) => {
    const input = await video(`from-${name}.mkv`, { format, height: 64, frameCount: 10 });
    const preset = { h264: "ultrafast", hevc: "ultrafast", av1: "12", vp9: "realtime" };
    const options = codec === "ffv1" ? { codec } : { codec, preset: preset[codec] };
    const output = await copy(input, name, options);
    expect((await probeVideo(output)).video).toMatchObject({
      codec: codecName,
      pixelFormat,
      framesPerSecond: 25,
      width: 64,
      height: 64,
    });
    const original = await decode(input);
    const images = await decode(output);
    expect(images).toHaveLength(10);
    for (const [index, image] of images.entries()) {
      expect(psnr(image.data, original[index]?.data ?? [])).toBeGreaterThan(33);
    }
  });

  it("keeps colour tags and the sample aspect ratio", async () => {
    const input = await video("tags.mkv", {
      colorSpace: AVCOL_SPC_SMPTE170M,
      colorRange: AVCOL_RANGE_JPEG,
      sampleAspectRatio: new Rational(4, 3),
    });
    const output = await copy(input, "tags.mp4", { preset: "ultrafast" });
    expect(await streamParameters(output)).toEqual(await streamParameters(input));
    expect(await streamParameters(output)).toMatchObject({
      colorSpace: AVCOL_SPC_SMPTE170M,
      colorRange: AVCOL_RANGE_JPEG,
      aspect: "4:3",
    });
  });

  it("makes BT.709 limited of RGB, without a shift of colours", async () => {
    const input = await video("rgb.mkv", { format: "bgr0" });
    const output = await copy(input, "rgb.mp4", { preset: "ultrafast", crf: 4 });
    expect(await streamParameters(output)).toMatchObject({
      colorSpace: AVCOL_SPC_BT709,
      colorRange: AVCOL_RANGE_MPEG,
    });
    const original = await decode(input);
    for (const [index, image] of (await decode(output)).entries()) {
      expect(psnr(image.data, original[index]?.data ?? [])).toBeGreaterThan(33);
    }
  });

  it.each(["h264", "hevc", "vp9", "av1"] as const)(
    "leaves the colours of RGB where they are in %s",
    async (codec) => {
      const period = 32;
      const angle = (x: number): number => (2 * Math.PI * (x + 0.5)) / period;
      const name = `place-${codec}.${codec === "vp9" ? "webm" : "mp4"}`;
      // Blue and red in opposite waves, so that only chroma changes much.
      const input = await video(`${name}.mkv`, {
        format: "bgr0",
        height: 64,
        frameCount: 1,
        pattern: (component, x) =>
          component === 1 ? 128 : 128 + (component - 1) * 60 * Math.sin(angle(x)),
      });
      const [image] = await decode(await copy(input, name, { codec, crf: 4 }));
      let [sine, cosine] = [0, 0];
      for (let x = 0; x < 64; x++) {
        const red = (image?.data[3 * (32 * 64 + x)] ?? 0) - 128;
        sine += red * Math.sin(angle(x));
        cosine += red * Math.cos(angle(x));
      }
      const shiftPixels = (-Math.atan2(cosine, sine) * period) / (2 * Math.PI);
      expect(Math.abs(shiftPixels)).toBeLessThan(0.1);
    },
  );

  it("pads odd pictures by a copy of their last column and row", async () => {
    const input = await video("odd.mkv", { width: 61, height: 43 });
    const output = await copy(input, "odd.mp4", { preset: "ultrafast", crf: 0 });
    expect((await probeVideo(output)).video).toMatchObject({ width: 62, height: 44 });
    const [before] = await samples(input);
    const [after] = await samples(output);
    const rows = Array.from({ length: 44 }, (_, row) => {
      const start = Math.min(row, 42) * 61;
      const line = before?.[0]?.subarray(start, start + 61) ?? Buffer.alloc(0);
      return Buffer.concat([line, line.subarray(60)]);
    });
    expect(after?.[0]).toEqual(Buffer.concat(rows));
  });

  it("puts the index of an MP4 before its pictures", async () => {
    const output = await copy(await video("fast.mkv"), "fast.mp4", { preset: "ultrafast" });
    const bytes = await readFile(output);
    expect(bytes.indexOf("moov")).toBeLessThan(bytes.indexOf("mdat"));
  });

  it("gives smaller files for a higher crf", async () => {
    const input = await video("size.mkv", { width: 128, height: 128 });
    const fine = await stat(await copy(input, "fine.mp4", { preset: "ultrafast", crf: 5 }));
    const coarse = await stat(await copy(input, "coarse.mp4", { preset: "ultrafast", crf: 40 }));
    expect(coarse.size).toBeLessThan(fine.size / 2);
  });
});

describe("refusals", () => {
  it.each([
    [{ codec: "mpeg1" }, "mpeg1"],
    [{ crf: 99 }, "from 0 to 51"],
    [{ crf: Number.NaN }, "from 0 to 51"],
    [{ codec: "ffv1", crf: 3 }, "lossless"],
  ])("of the settings %o", (options, word) => {
    const make = (): unknown => createFfmpegVideoSink(options as FfmpegVideoSinkOptions);
    expect(make).toThrow(LatentSyncError);
    expect(make).toThrow(word);
  });

  it.each([
    ["x.avi", "h264"],
    ["x", "h264"],
    ["x.webm", "h264"],
    ["x.mp4", "ffv1"],
    ["x.mov", "vp9"],
  ] as const)("of %s with %s", async (name, codec) => {
    await using reader = await source.open(await video("refuse.mkv"));
    const sink = createFfmpegVideoSink({ codec });
    const options = { path: file(name), source: reader, audioPath: await sound() };
    const error = await latentSyncError(sink.create(options));
    expect(error.code).toBe("invalid_argument");
    expect(error.hint).toBeDefined();
  });

  it("of an output that is an input, by any of its names", async () => {
    const input = await video("self.mkv");
    await using reader = await source.open(input);
    const sink = createFfmpegVideoSink({ codec: "ffv1" });
    for (const path of [input, file("./x/../self.mkv")]) {
      const create = sink.create({ path, source: reader, audioPath: await sound() });
      expect((await latentSyncError(create)).code).toBe("invalid_argument");
    }
    expect(await decode(input)).toHaveLength(6);
  });

  it("of a sound file without sound", async () => {
    const input = await video("mute.mkv");
    await using reader = await source.open(input);
    const create = createFfmpegVideoSink().create({
      path: file("mute.mp4"),
      source: reader,
      audioPath: input,
    });
    const error = await latentSyncError(create);
    expect(error.code).toBe("invalid_media");
    expect(error.message).toContain("no sound");
  });

  it("of a preset that the encoder does not know, leaving nothing behind", async () => {
    const before = await listFolder(file("."));
    const run = copy(await video("preset.mkv"), "preset.mp4", { preset: "sideways" });
    expect((await latentSyncError(run)).code).toBe("invalid_argument");
    expect(await listFolder(file("."))).toEqual([...before, "preset.mkv"].toSorted());
  });

  it("of a frame of another size", async () => {
    const small: VideoReader = await source.open(await video("small.mkv"));
    const large: VideoReader = await source.open(await video("large.mkv", { width: 80 }));
    await using _small = small;
    await using _large = large;
    const options = { path: file("sizes.mp4"), source: small, audioPath: await sound() };
    await using writer = await createFfmpegVideoSink().create(options);
    for await (const frame of large.frames({ end: 1 })) {
      using owned = frame;
      expect((await latentSyncError(writer.write(owned))).code).toBe("invalid_argument");
    }
    expect((await latentSyncError(writer.finish())).code).toBe("invalid_argument");
  });
});

describe("lifetime", () => {
  it("takes frames that are disposed right after they were given", async () => {
    const input = await video("early.mkv", { frameCount: 20 });
    await using reader = await source.open(input);
    const path = file("early-out.mkv");
    const sink = createFfmpegVideoSink({ codec: "ffv1" });
    await using writer = await sink.create({ path, source: reader, audioPath: await sound() });
    for await (const frame of reader.frames()) {
      const writing = writer.write(frame);
      frame[Symbol.dispose]();
      await writing;
    }
    await writer.finish();
    expect(await samples(path)).toEqual(await samples(input));
    await expect(writer.finish()).rejects.toThrow("finished");
  });

  it("writes frames in any order, as ping-pong does", async () => {
    const input = await video("pingpong.mkv");
    await using reader = await source.open(input);
    const path = file("pingpong-out.mkv");
    const sink = createFfmpegVideoSink({ codec: "ffv1" });
    await using writer = await sink.create({ path, source: reader, audioPath: await sound() });
    const forward: VideoFrame[] = [];
    for await (const frame of reader.frames()) forward.push(frame);
    for (const frame of [...forward, ...forward.toReversed()]) await writer.write(frame);
    await writer.finish();
    for (const frame of forward) frame[Symbol.dispose]();
    const images = await readAll(reader);
    expect(await decode(path)).toEqual([...images, ...images.toReversed()]);
  });
});
