/** Pixel formats, shapes of pixels, fields, HDR and transparency, from the file to the file. */
import { readFile } from "node:fs/promises";
import type { ImagePatch, Rectangle, RgbImage, VideoFrame } from "@ls/core";
import { AVMEDIA_TYPE_VIDEO, FF_ENCODER_FFV1, FF_ENCODER_LIBX265 } from "node-av/constants";
import { Rational } from "node-av/lib";
import { describe, expect, it } from "vitest";
import { contentLight, masteringDisplay } from "../src/ffmpeg/hdr-metadata.ts";
import {
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  type FfmpegVideoSinkOptions,
  probeVideo,
} from "../src/ffmpeg/index.ts";
import { MediaInput } from "../src/ffmpeg/media-input.ts";
import { FfmpegVideoReader } from "../src/ffmpeg/video-reader.ts";
import {
  type CopyOptions,
  copyVideo,
  expectNear,
  firstFrame,
  latentSyncError,
  pixel,
  readAll,
  type TestVideo,
  useFolder,
  writeVideo,
  writeWav,
} from "./ffmpeg-fixtures.ts";
import { nativeFrames, type PlaneSamples } from "./native-samples.ts";

const file = useFolder();
const source = createFfmpegVideoSource({ framesPerSecond: "source" });

function video(name: string, settings: Partial<TestVideo> = {}): Promise<string> {
  return writeVideo({
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: 4,
    ...settings,
    path: file(name),
  });
}

async function copy(
  input: string,
  output: string,
  options: FfmpegVideoSinkOptions & Pick<CopyOptions, "edit" | "metadata">,
): Promise<string> {
  return await copyVideo(input, {
    ...options,
    sink: createFfmpegVideoSink(options),
    path: file(output),
    audioPath: await writeWav(file("sound.wav"), { seconds: 2 }),
    framesPerSecond: "source",
  });
}

const PATCH: Rectangle = { x: 13, y: 9, width: 30, height: 21 };

async function inverted(frame: VideoFrame): Promise<readonly ImagePatch[]> {
  const { data } = await frame.toRgb(PATCH);
  return [{ ...PATCH, data: data.map((value) => 255 - value) }];
}

/** Pixels under the bytes of a plane that differ. */
function* changedAreas(before: PlaneSamples, after: PlaneSamples): Generator<Rectangle> {
  for (const [at, value] of after.data.entries()) {
    if (value === before.data[at]) continue;
    const step = Math.floor(at / after.bytesPerStep);
    const x = (step % after.columns) << after.shiftX;
    const y = Math.floor(step / after.columns) << after.shiftY;
    yield { x, y, width: 1 << after.shiftX, height: 1 << after.shiftY };
  }
}

function isInside({ x, y, width, height }: Rectangle, outer: Rectangle): boolean {
  const right = outer.x + outer.width;
  const bottom = outer.y + outer.height;
  return x >= outer.x && y >= outer.y && x + width <= right && y + height <= bottom;
}

describe("patches", () => {
  it.each([
    "yuv422p",
    "yuv422p10le",
    "yuv444p10le",
    "yuva420p",
    "yuva444p10le",
    "gbrp10le",
    "bgra",
  ])("leave %s outside, and all transparency, bit for bit", async (format) => {
    const input = await video(`${format}.mkv`, { format });
    const output = await copy(input, `${format}-out.mkv`, { codec: "ffv1", edit: inverted });
    const before = await nativeFrames(input);
    const after = await nativeFrames(output);
    expect(after).toHaveLength(4);
    let changed = 0;
    for (const [index, { layout, planes }] of after.entries()) {
      expect(layout.name).toBe(format);
      for (const [number, plane] of planes.entries()) {
        const original = before[index]?.planes[number] as PlaneSamples;
        for (const area of changedAreas(original, plane)) {
          changed += 1;
          if (!isInside(area, PATCH)) expect(area).toBe("inside the patch");
        }
        const { alpha } = layout;
        if (alpha?.plane !== number) continue;
        const alphaOf = ({ data, bytesPerStep }: PlaneSamples): Buffer =>
          data.filter((_, at) => {
            const place = (at % bytesPerStep) - alpha.offset;
            return place >= 0 && place < alpha.bytes;
          }) as Buffer;
        expect(alphaOf(plane)).toEqual(alphaOf(original));
      }
    }
    expect(changed).toBeGreaterThan(4 * PATCH.width * PATCH.height * 0.8);
  });
});

describe("transparency", () => {
  it.each([
    ["vp9", "clear.webm", "yuva420p", { preset: "realtime" }],
    ["vp9", "clear.mkv", "yuva420p", { preset: "realtime" }],
    ["prores", "clear.mov", "yuva444p12le", {}],
    ["ffv1", "clear-lossless.mkv", "yuva420p", {}],
  ] as const)("is kept by %s in %s", async (codec, name, format, options) => {
    const pattern = (component: number, x: number, y: number): number =>
      component === 3 ? 4 * x : 60 + x + y;
    const input = await video(`from-${name}.mkv`, { format: "yuva420p", pattern });
    const notices: string[] = [];
    const onNotice = (message: string): number => notices.push(message);
    const output = await copy(input, name, { codec, ...options, onNotice });
    const frames = await nativeFrames(output);
    expect(frames).toHaveLength(4);
    for (const { layout, planes } of frames) {
      expect(layout.name).toBe(format);
      const alpha = planes[3] as PlaneSamples;
      for (let x = 2; x < 64; x += 7) {
        const at = (20 * 64 + x) * alpha.bytesPerStep;
        const value =
          alpha.bytesPerStep === 1 ? alpha.data.readUInt8(at) : alpha.data.readUInt16LE(at) / 16;
        expect(Math.abs(value - 4 * x)).toBeLessThan(8);
      }
    }
    expect(notices).toEqual([]);
  });

  it("that a codec cannot hold is told of, as are bits", async () => {
    const notices: string[] = [];
    const onNotice = (message: string): number => notices.push(message);
    const input = await video("deep.mkv", { format: "yuva444p10le" });
    await copy(input, "deep.mp4", { preset: "ultrafast", onNotice });
    expect(notices).toEqual(["The h264 output keeps 8 of 10 bits a colour and no transparency."]);
  });
});

describe("HDR", () => {
  const settings = {
    preset: "ultrafast",
    "x265-params":
      "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:max-cll=1000,400:" +
      "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
  };
  const DISPLAY = {
    red: [0.68, 0.32],
    green: [0.265, 0.69],
    blue: [0.15, 0.06],
    white: [0.3127, 0.329],
    minimum: 0.005,
    maximum: 1000,
  };

  async function hdrOf(path: string): Promise<FfmpegVideoReader["hdr"]> {
    await using reader = await source.open(path);
    if (!(reader instanceof FfmpegVideoReader)) throw new Error("another kind of reader");
    return reader.hdr;
  }

  async function tags(path: string): Promise<readonly number[]> {
    await using input = await MediaInput.open(path);
    const stream = input.bestStream(AVMEDIA_TYPE_VIDEO);
    if (!stream) throw new Error("no video");
    const { colorPrimaries, colorTrc, colorSpace, colorRange } = stream.codecpar;
    return [colorPrimaries, colorTrc, colorSpace, colorRange];
  }

  it.each([
    ["hevc", "hdr-out.mp4", "ultrafast"],
    ["hevc", "hdr-out.mov", "ultrafast"],
    ["av1", "hdr-out.mkv", "12"],
    ["vp9", "hdr-out.webm", "realtime"],
    ["prores", "hdr-prores.mov", undefined],
  ] as const)("keeps tags and display metadata with %s in %s", async (codec, name, preset) => {
    const format = "yuv420p10le";
    const size = { width: 64, height: 64 };
    const input = await video("hdr.mp4", {
      encoder: FF_ENCODER_LIBX265,
      format,
      ...size,
      settings,
    });
    const output = await copy(input, name, { codec, ...(preset && { preset }), edit: inverted });
    expect(await tags(output)).toEqual(await tags(input));
    expect(await tags(output)).toEqual([9, 16, 9, 1]);
    const hdr = await hdrOf(output);
    expect(contentLight(hdr)).toEqual({ maximum: 1000, average: 400 });
    const display = masteringDisplay(hdr);
    for (const [key, value] of Object.entries(DISPLAY)) {
      const actual = [display?.[key as keyof typeof DISPLAY] ?? Number.NaN].flat();
      expectNear(actual, [value].flat(), 1e-4 * Math.max(1, ...[value].flat()));
    }
    const bits = (await nativeFrames(output)).map(({ layout }) => layout.bits);
    expect(bits).toEqual([10, 10, 10, 10]);
  });

  it("is converted by its matrix alone, not fitted to a display", async () => {
    const flat = (component: number): number => [120, 100, 170][component] ?? 0;
    const input = await video("pq.mp4", {
      encoder: FF_ENCODER_LIBX265,
      format: "yuv420p10le",
      pattern: flat,
      settings: { ...settings, qp: 1 },
    });
    await using reader = await source.open(input);
    const [image] = await readAll(reader, { end: 1 });
    // BT.2020 limited, computed in double precision.
    expectNear(pixel(image as RgbImage, 30, 20), [191.6, 99.02, 61.13], 2);
  });
});

describe("pixels that are not square", () => {
  const wide = { sampleAspectRatio: new Rational(3, 2), width: 64, height: 48 };
  const tall = { sampleAspectRatio: new Rational(1, 2), width: 64, height: 48 };

  it.each([
    ["wide", wide, 96, 48],
    ["tall", tall, 64, 96],
  ] as const)("are seen as square ones (%s)", async (name, shape, width, height) => {
    const pattern = (component: number, x: number, y: number): number =>
      component === 0 ? 40 + 2 * x + y : 128;
    const path = await video(`${name}.mkv`, { ...shape, pattern });
    expect((await probeVideo(path)).video).toMatchObject({ width, height });
    await using reader = await source.open(path);
    expect(reader.info).toMatchObject({ width, height });
    using frame = await firstFrame(reader);
    const whole = await frame.toRgb();
    expect([whole.width, whole.height]).toEqual([width, height]);
    // Brightness grows evenly over the stored picture.
    const at = (x: number, y: number): number => pixel(whole, x, y)[0] ?? 0;
    const slope = (2 * (255 / 219) * 64) / width;
    expect(Math.abs((at(50, 20) - at(10, 20)) / 40 - slope)).toBeLessThan(0.08);
    for (const [x, y, w, h] of [
      [13, 9, 30, 21],
      [width - 1, height - 1, 1, 1],
      [0, 1, width, 3],
    ] as const) {
      const region = await frame.toRgb({ x, y, width: w, height: h });
      for (const [column, row] of [
        [0, 0],
        [w - 1, h - 1],
      ] as const) {
        expect(pixel(region, column, row)).toEqual(pixel(whole, x + column, y + row));
      }
    }
  });

  it.each([
    ["wide", wide],
    ["tall", tall],
  ] as const)("keep every bit that a patch does not change (%s)", async (name, shape) => {
    const input = await video(`${name}-in.mkv`, shape);
    const edit = async (frame: VideoFrame): Promise<readonly ImagePatch[]> => [
      { ...PATCH, data: (await frame.toRgb(PATCH)).data },
    ];
    const output = await copy(input, `${name}-out.mkv`, { codec: "ffv1", edit });
    expect(await nativeFrames(output)).toEqual(await nativeFrames(input));
    await using reader = await source.open(input);
    await using copied = await source.open(output);
    expect(copied.info.width).toBe(reader.info.width);
  });

  it("take the colours of a patch where it lies", async () => {
    const input = await video("painted.mkv", { ...wide, pattern: () => 128 });
    const data = new Uint8Array(PATCH.width * PATCH.height * 3).fill(210);
    const edit = async (): Promise<readonly ImagePatch[]> => [{ ...PATCH, data }];
    const output = await copy(input, "painted-out.mkv", { codec: "ffv1", edit });
    await using reader = await source.open(output);
    using frame = await firstFrame(reader);
    const image = await frame.toRgb();
    expectNear(pixel(image, PATCH.x + 15, PATCH.y + 10), [210, 210, 210], 2);
    expectNear(pixel(image, PATCH.x + 3, PATCH.y + 3), [210, 210, 210], 2);
    const [outside] = await readAll(await source.open(input), { end: 1 });
    expect(pixel(image, PATCH.x - 2, PATCH.y + 5)).toEqual(
      pixel(outside as RgbImage, PATCH.x - 2, PATCH.y + 5),
    );
  });
});

describe("ProRes", () => {
  it.each([
    ["yuv420p", "hq.mov", "yuv422p10le"],
    ["yuv422p10le", "hq10.mkv", "yuv422p10le"],
    ["yuv444p10le", "444.mov", "yuv444p12le"],
    ["bgr0", "rgb.mov", "yuv444p12le"],
  ])("takes %s to %s", async (format, name, expected) => {
    const input = await video(`for-${name}.mkv`, { format });
    const output = await copy(input, name, { codec: "prores" });
    expect((await probeVideo(output)).video).toMatchObject({
      codec: "prores",
      pixelFormat: expected,
    });
    const before = await readAll(await source.open(input));
    for (const [index, image] of (await readAll(await source.open(output))).entries()) {
      expectNear(pixel(image, 20, 20), pixel(before[index] as RgbImage, 20, 20), 6);
    }
  });

  it("is refused where it cannot be, with a hint", async () => {
    const error = await latentSyncError(copy(await video("no.mkv"), "no.mp4", { codec: "prores" }));
    expect(error.code).toBe("invalid_argument");
    expect(error.hint).toContain(".mov or .mkv");
    expect(() => createFfmpegVideoSink({ codec: "prores", crf: 20 })).toThrow("takes no crf");
  });
});

describe("tags of the file", () => {
  it.each([
    ["h264", "tags.mp4"],
    ["hevc", "tags.mov"],
    ["ffv1", "tags.mkv"],
    ["vp9", "tags.webm"],
  ] as const)("are written by %s in %s", async (codec, name) => {
    const preset = codec === "vp9" ? "realtime" : "ultrafast";
    const options = codec === "ffv1" ? { codec } : { codec, preset };
    const metadata = {
      comment: 'Ünïcode, "quoted" = semi;colon',
      "com.example.digital-source-type": "https://example.com/a?b=c&d",
    };
    const input = await video(`for-${name}.mkv`);
    for (const tagged of [metadata, { comment: metadata.comment }]) {
      const output = await copy(input, name, { ...options, metadata: tagged });
      await using opened = await MediaInput.open(output);
      for (const [key, value] of Object.entries(tagged)) {
        expect(opened.context.metadata?.get(key)).toBe(value);
      }
    }
  });

  it("leave Matroska files without numbers drawn by lot", async () => {
    const input = await video("again.mkv");
    const [first, second] = [
      await readFile(await copy(input, "first.mkv", { codec: "ffv1" })),
      await readFile(await copy(input, "second.mkv", { codec: "ffv1" })),
    ];
    expect(first?.equals(second as Buffer)).toBe(true);
  });
});
