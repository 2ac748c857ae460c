import { AV_PIX_FMT_GRAY8 } from "node-av/constants";
import { afterEach, describe, expect, it } from "vitest";
import { allocateFrame } from "../src/ffmpeg/native-frame.ts";
import { PassedFrames } from "../src/ffmpeg/passed-frames.ts";
import type { DecodedFrame } from "../src/ffmpeg/video-decoder.ts";

const frames: DecodedFrame[] = [];

/** A grey picture of 16 MB. */
function decoded(): DecodedFrame {
  const native = allocateFrame(AV_PIX_FMT_GRAY8, 4096, 4096);
  const frame = {
    native,
    encoding: { matrix: 1, range: 1 },
    pts: 0,
    timeSeconds: 0,
    durationSeconds: 0.04,
  } as DecodedFrame;
  frames.push(frame);
  return frame;
}

afterEach(() => {
  for (const { native } of frames.splice(0)) native.free();
});

describe("frames that decoding passed", () => {
  it("are kept up to 128 MB, the latest ones", () => {
    using passed = new PassedFrames();
    for (let ordinal = 0; ordinal < 12; ordinal++) passed.keep(ordinal, decoded());
    expect(passed.count).toBe(8);
    expect(passed.get(3)).toBeUndefined();
    expect(passed.get(4)).toBeDefined();
  });

  it("are given up one by one as they are asked for, each as often as it is shown", () => {
    using passed = new PassedFrames();
    for (let ordinal = 0; ordinal < 4; ordinal++) passed.keep(ordinal, decoded());
    expect(passed.get(1)).toBeDefined();
    expect(passed.get(1)).toBeDefined();
    expect(passed.get(2)).toBeDefined();
    expect(passed.get(3)).toBeDefined();
    expect(passed.count).toBe(2);
    expect(passed.get(9)).toBeUndefined();
    expect(passed.count).toBe(1);
    expect(passed.get(0)).toBeDefined();
    // Room that was given up can be used again.
    for (let ordinal = 10; ordinal < 17; ordinal++) passed.keep(ordinal, decoded());
    expect(passed.count).toBe(8);
    passed.clear();
    expect(passed.count).toBe(0);
  });
});
