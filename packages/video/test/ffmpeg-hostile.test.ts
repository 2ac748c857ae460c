import { mkdir, readFile, writeFile } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import {
  FF_ENCODER_FFV1,
  FF_ENCODER_LIBVPX_VP9,
  FF_ENCODER_LIBX264,
  FF_ENCODER_MPEG4,
} from "node-av/constants";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource, probeVideo, readImage, writePng } from "../src/ffmpeg/index.ts";
import {
  decode,
  latentSyncError,
  listFolder,
  type TestVideo,
  useFolder,
  writeVideo,
  writeWav,
} from "./ffmpeg-fixtures.ts";

const file = useFolder();
const source = createFfmpegVideoSource();

function video(name: string, settings: Partial<TestVideo> = {}): Promise<string> {
  return writeVideo({
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: 12,
    ...settings,
    path: file(name),
  });
}

async function text(name: string, content: string): Promise<string> {
  await writeFile(file(name), content);
  return file(name);
}

describe("files that are not videos", () => {
  it.each([
    ["letter.mp4", "Dear reader,\nthis is not a video.\n".repeat(30)],
    ["page.mp4", "<!doctype html><html><body>404</body></html>"],
    ["empty.mp4", ""],
    ["byte.mp4", "x"],
    ["numbers.mkv", "1,2,3\n".repeat(5000)],
    ["subtitles.mp4", "1\n00:00:01,000 --> 00:00:02,000\nhello\n"],
    ["hls.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n"],
    ["concat.mp4", "ffconcat version 1.0\nfile real.mp4\n"],
    ["sdp.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"],
    ["subtitles.idx", "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"],
    ["dash.mp4", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
  ])("%s is refused in one clear sentence", async (name, content) => {
    await video("real.mp4");
    const error = await latentSyncError(source.open(await text(name, content)));
    expect(error.code).toBe("invalid_media");
    expect(error.message).toContain(name);
    expect(error.message).not.toContain("\n");
    expect(error.hint).toBeDefined();
  });

  it("a folder, nothing at all, and a sound file are refused", async () => {
    await mkdir(file("folder.mp4"), { recursive: true });
    const wav = await writeWav(file("a.wav"), { sampleRateHz: 8000, channels: 1, seconds: 1 });
    expect((await latentSyncError(source.open(file("folder.mp4")))).code).toBe("invalid_media");
    expect((await latentSyncError(source.open(file("nothing.mp4")))).code).toBe("not_found");
    const error = await latentSyncError(source.open(wav));
    expect(error.code).toBe("invalid_media");
    expect(error.message).toContain("no video stream");
    expect((await latentSyncError(probeVideo(wav))).code).toBe("invalid_media");
  });

  it("a name that looks like an address stays a name", async () => {
    for (const name of ["concat:real.mp4", "-i.mp4", "frame%03d.mp4", "a b'c\".mp4"]) {
      expect(await decode(await video(name))).toHaveLength(12);
    }
    expect((await latentSyncError(source.open("http://127.0.0.1/x.mp4"))).code).toBe("not_found");
  });
});

/** A movie whose pictures lie in another file of its folder, at the places where that has them. */
function movieWithPicturesIn(name: string, whole: Buffer): Buffer {
  const alias = Buffer.alloc(200);
  alias.writeUInt32BE(alias.length, 0);
  alias.write("alis", 4);
  // One level up from either file: the same folder.
  alias.writeUInt16BE(1, 142);
  alias.writeUInt16BE(1, 144);
  const path = `:${name}`;
  alias.writeUInt16BE(2, 162);
  alias.writeUInt16BE(path.length, 164);
  alias.write(path, 166);
  alias.writeUInt16BE(0xffff, 166 + path.length + (path.length % 2));
  const reference = whole.indexOf("url ", whole.indexOf("dref")) - 4;
  const grown = alias.length - whole.readUInt32BE(reference);
  const movie = Buffer.from(whole);
  for (const box of ["moov", "trak", "mdia", "minf", "dinf", "dref"]) {
    const at = movie.lastIndexOf(box, reference) - 4;
    movie.writeUInt32BE(movie.readUInt32BE(at) + grown, at);
  }
  const end = reference + whole.readUInt32BE(reference);
  const start = movie.lastIndexOf("moov") - 4;
  const brand = Buffer.from("\0\0\0\x14ftypqt  \0\0\0\0qt  ", "latin1");
  return Buffer.concat([
    brand,
    movie.subarray(start, reference),
    alias,
    movie.subarray(end, start + movie.readUInt32BE(start)),
  ]);
}

describe("files that lie", () => {
  it("a movie that keeps its pictures in another file is not followed there", async () => {
    const whole = await readFile(await video("elsewhere.mp4"));
    await writeFile(file("reference.mov"), movieWithPicturesIn("elsewhere.mp4", whole));
    const error = await latentSyncError(decode(file("reference.mov")));
    expect(error.code).toBe("invalid_media");
  });

  it.each([
    [60_000, 60_000],
    [4, 60_000],
  ])("a size of %ix%i in the header is refused", async (width, height) => {
    const settings = { encoder: FF_ENCODER_FFV1, width: 300, height: 300, frameCount: 1 };
    const bytes = await readFile(await video("huge.mkv", settings));
    // Matroska's PixelWidth and PixelHeight, two bytes each.
    for (const [id, value] of [
      [0xb0, width],
      [0xba, height],
    ] as const) {
      const at = bytes.indexOf(Buffer.from([id, 0x82, 300 >> 8, 300 & 0xff]));
      expect(at).toBeGreaterThan(0);
      bytes.writeUInt16BE(value, at + 2);
    }
    const path = file(`huge-${width}.mkv`);
    await writeFile(path, bytes);
    const error = await latentSyncError(source.open(path));
    expect(error.code).toBe("invalid_media");
    expect(error.message).toContain(`${width}x${height}`);
  });

  it.each([
    ["mp4", FF_ENCODER_LIBX264],
    ["mov", FF_ENCODER_LIBX264],
    ["mkv", FF_ENCODER_FFV1],
    ["webm", FF_ENCODER_LIBVPX_VP9],
    ["avi", FF_ENCODER_MPEG4],
  ])("a %s without its end is refused at once", async (extension, encoder) => {
    const bytes = await readFile(await video(`whole.${extension}`, { encoder }));
    for (const share of [0.5, 0.9, 0.999]) {
      const path = file(`cut.${extension}`);
      await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * share)));
      const error = await latentSyncError(source.open(path));
      expect(error.code).toBe("invalid_media");
      expect(error.message).toContain("incomplete");
    }
  });

  it("an MP4 with padding at its end, or of unknown length, is read", async () => {
    const bytes = await readFile(await video("plain.mp4"));
    await writeFile(file("padded.mp4"), Buffer.concat([bytes, Buffer.alloc(100)]));
    expect(await decode(file("padded.mp4"))).toHaveLength(12);
  });

  it("a header without frames is refused", async () => {
    const bytes = await readFile(await video("frames.mkv", { encoder: FF_ENCODER_FFV1 }));
    const cluster = bytes.indexOf(Buffer.from([0x1f, 0x43, 0xb6, 0x75]));
    expect(cluster).toBeGreaterThan(0);
    await writeFile(file("frameless.mkv"), bytes.subarray(0, cluster));
    const error = await latentSyncError(source.open(file("frameless.mkv")));
    expect(error.code).toBe("invalid_media");
  });

  it("pictures of noise are refused", async () => {
    const bytes = await readFile(await video("noise.mkv"));
    const cluster = bytes.indexOf(Buffer.from([0x1f, 0x43, 0xb6, 0x75]));
    for (let at = cluster + 40; at < bytes.length; at++) bytes[at] = (at * 151) & 0xff;
    await writeFile(file("noise2.mkv"), bytes);
    const error = await latentSyncError(decode(file("noise2.mkv")));
    expect(error.code).toBe("invalid_media");
  });
});

/** A small generator, so that every run mutates alike. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function mutate(bytes: Buffer, random: () => number): Buffer {
  const copy = Buffer.from(bytes);
  const edits = 1 + Math.floor(random() * 12);
  // Most edits in the head, where sizes and tables are; MP4 has them at the end.
  const near = random();
  for (let edit = 0; edit < edits; edit++) {
    const spread = near < 0.4 ? Math.min(600, copy.length) : copy.length;
    const at = Math.floor(random() * spread);
    const place = near > 0.7 ? copy.length - 1 - at : at;
    copy[place] = random() < 0.3 ? 0xff : Math.floor(random() * 256);
  }
  return random() < 0.2 ? copy.subarray(0, Math.floor(copy.length * random())) : copy;
}

describe("mutated files", () => {
  it.each([
    ["mp4", { encoder: FF_ENCODER_LIBX264 }],
    ["mkv", { encoder: FF_ENCODER_FFV1 }],
    ["webm", { encoder: FF_ENCODER_LIBVPX_VP9, settings: { deadline: "realtime" } }],
    ["avi", { encoder: FF_ENCODER_MPEG4 }],
    ["ts", { encoder: FF_ENCODER_LIBX264 }],
  ] as const)("of %s give frames or a LatentSyncError", async (extension, settings) => {
    const bytes = await readFile(await video(`fuzz.${extension}`, settings));
    const random = mulberry(extension.length * 7919 + 1);
    const outcomes = { frames: 0, refused: 0 };
    for (let round = 0; round < 24; round++) {
      const path = file(`mutant.${extension}`);
      await writeFile(path, mutate(bytes, random));
      try {
        await using reader = await source.open(path, { signal: AbortSignal.timeout(20_000) });
        for await (const frame of reader.frames({ end: 40 })) {
          using owned = frame;
          const { width, height } = owned;
          const image = await owned.toRgb({ x: 0, y: 0, width: 1, height: 1 });
          expect(image.data).toHaveLength(3);
          expect(width * height).toBeGreaterThan(0);
        }
        outcomes.frames += 1;
      } catch (error) {
        if (!LatentSyncError.is(error)) throw error;
        outcomes.refused += 1;
      }
    }
    expect(outcomes.frames + outcomes.refused).toBe(24);
    expect(outcomes.frames).toBeGreaterThan(0);
  });
});

describe("images", () => {
  const image = {
    width: 7,
    height: 5,
    data: Uint8Array.from({ length: 105 }, (_, at) => (at * 37) % 256),
  };

  it("are written and read without loss", async () => {
    await writePng(file("image.png"), image);
    expect(await readImage(file("image.png"))).toEqual(image);
    await writePng(file("image.png"), { ...image, data: image.data.toReversed() });
    expect((await readImage(file("image.png"))).data).toEqual(image.data.toReversed());
  });

  it("are refused if they are none", async () => {
    const path = await text("fake.png", "not an image");
    expect((await latentSyncError(readImage(path))).code).toBe("invalid_media");
    expect((await latentSyncError(readImage(file("no.png")))).code).toBe("not_found");
    const short = { ...image, data: image.data.subarray(3) };
    expect((await latentSyncError(writePng(file("short.png"), short))).code).toBe(
      "invalid_argument",
    );
    const nowhere = writePng(file("nowhere/image.png"), image);
    expect((await latentSyncError(nowhere)).code).toBe("not_found");
    expect(await listFolder(file("."))).not.toContain("short.png");
  });
});
