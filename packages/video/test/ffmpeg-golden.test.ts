import { hasReference, psnr, readGoldenTensors, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSource, probeVideo, readImage } from "../src/ffmpeg/index.ts";
import { decode, firstFrame } from "./ffmpeg-fixtures.ts";

const source = createFfmpegVideoSource();

describe.skipIf(!hasReference)(referenceTitle("faces.safetensors"), () => {
  it("frame 0 of media/clip_24f_540x960.mkv equals frame0, byte for byte", async () => {
    const golden = readGoldenTensors(reference("faces.safetensors")).get("frame0");
    await using reader = await source.open(reference("media", "clip_24f_540x960.mkv"));
    using frame = await firstFrame(reader);
    const image = await frame.toRgb();
    expect(golden?.dims).toEqual([image.height, image.width, 3]);
    expect(Buffer.compare(image.data, golden?.data as Uint8Array)).toBe(0);
  });
});

describe.skipIf(!hasReference)(referenceTitle("media/"), () => {
  it("clip_24f_540x960.mkv has 24 frames", async () => {
    const images = await decode(reference("media", "clip_24f_540x960.mkv"));
    expect(images).toHaveLength(24);
  });

  it("demo1_video.mp4 has 250 frames, and again the last ones after a jump back", async () => {
    await using reader = await source.open(reference("media", "demo1_video.mp4"));
    let count = 0;
    let last = new Uint8Array();
    const corner = { x: 400, y: 900, width: 64, height: 64 };
    for await (const frame of reader.frames()) {
      using owned = frame;
      count += 1;
      if (owned.index === 248) last = (await owned.toRgb(corner)).data as typeof last;
    }
    expect(count).toBe(250);
    for await (const frame of reader.frames({ start: 248, end: 249 })) {
      using owned = frame;
      expect((await owned.toRgb(corner)).data).toEqual(last);
    }
  });

  it("demo videos are what they are known to be", async () => {
    const expected = [
      ["demo1_video.mp4", 250, 25],
      ["demo2_video.mp4", 502, 25],
      ["demo3_video.mp4", 600, 30],
    ] as const;
    for (const [name, frameCount, framesPerSecond] of expected) {
      expect(await probeVideo(reference("media", name))).toMatchObject({
        video: { codec: "hevc", width: 1080, height: 1920, frameCount, framesPerSecond },
        audio: { codec: "aac", sampleRateHz: 44_100 },
      });
    }
  });
});

describe.skipIf(!hasReference)(referenceTitle("frames/"), () => {
  it("output frame 0 is the clip's frame 0 away from the face", async () => {
    const [first] = await decode(reference("media", "clip_24f_540x960.mkv"));
    const output = await readImage(reference("frames", "0000.png"));
    if (!first) throw new Error("no frame");
    expect([output.width, output.height]).toEqual([540, 960]);
    const rows = 40 * 540 * 3;
    expect(psnr(output.data.subarray(0, rows), first.data.subarray(0, rows))).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});
