import { describe, expect, it } from "vitest";
import { estimatePictures, type LoopMode, playVideo } from "../src/pipeline/playback.ts";
import type { VideoFrame, VideoReader } from "../src/video.ts";

/** A video whose frames are shown at these times; `open` counts frames that were not disposed. */
class TimedVideo implements VideoReader {
  readonly #times: readonly number[];
  readonly info: VideoReader["info"];
  open = 0;
  mostOpen = 0;

  constructor(times: readonly number[], framesPerSecond: number) {
    this.#times = times;
    this.info = {
      ...{ width: 4, height: 4, framesPerSecond, description: "" },
      estimatedFrameCount: times.length,
    };
  }

  async *frames({ start = 0, end = Number.POSITIVE_INFINITY } = {}): AsyncGenerator<VideoFrame> {
    for (const [index, timeSeconds] of this.#times.entries()) {
      if (index >= start && index < end) yield this.#frame(index, timeSeconds);
    }
  }

  #frame(index: number, timeSeconds: number): VideoFrame {
    this.open += 1;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    return {
      ...{ index, timeSeconds, width: 4, height: 4 },
      toRgb: async () => ({ width: 4, height: 4, data: new Uint8Array(48) }),
      clone: () => this.#frame(index, timeSeconds),
      [Symbol.dispose]: () => void (this.open -= 1),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const constant = (frames: number, rate: number): TimedVideo =>
  new TimedVideo(
    Array.from({ length: frames }, (_value, index) => index / rate),
    rate,
  );

interface Picture {
  readonly index: number;
  readonly slot: number;
  readonly time: number;
  readonly ends: boolean;
}

async function play(
  reader: TimedVideo,
  { slots, loop = "pingpong" }: { readonly slots: number; readonly loop?: LoopMode },
): Promise<Picture[]> {
  const { signal } = new AbortController();
  const pictures: Picture[] = [];
  for await (const played of playVideo({ reader, slots, loop, signal })) {
    using frame = played.frame;
    const { slot, endsSlot: ends, timeSeconds } = played;
    pictures.push({ index: frame.index, slot, ends, time: Math.round(timeSeconds * 1e6) / 1e6 });
  }
  expect(reader.open).toBe(0);
  return pictures;
}

const indices = (pictures: readonly Picture[]): number[] => pictures.map(({ index }) => index);

describe("a video at the model's rate", () => {
  it.each([
    ["pingpong", [0, 1, 2, 2, 1, 0, 0, 1]],
    ["loop", [0, 1, 2, 0, 1, 2, 0, 1]],
    ["freeze", [0, 1, 2, 2, 2, 2, 2, 2]],
    ["cut", [0, 1, 2]],
    ["silence", [0, 1, 2, 2, 1, 0, 0, 1]],
  ] as const)("%s goes on after its end", async (loop, expected) => {
    const pictures = await play(constant(3, 25), { slots: 8, loop });
    expect(indices(pictures)).toEqual(expected);
    expect(pictures.map(({ slot }) => slot)).toEqual(expected.map((_index, slot) => slot));
    expect(pictures.every(({ ends }) => ends)).toBe(true);
  });

  it.each([
    ["pingpong", 4],
    ["silence", 10],
  ] as const)("%s of a video that lasts longer", async (loop, expected) => {
    expect(await play(constant(10, 25), { slots: 4, loop })).toHaveLength(expected);
  });

  it("stays at its times for hours", async () => {
    const pictures = await play(constant(7, 25), { slots: 20_000 });
    expect(pictures.at(-1)).toMatchObject({ slot: 19_999, time: 19_999 / 25 });
  });
});

describe("a video at its own rate", () => {
  it.each([
    [24, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
    [30, [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9]],
    [50, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]],
  ])("%d fps shows the nearest model frame", async (rate, slots) => {
    const pictures = await play(constant(12, rate), { slots: 100, loop: "cut" });
    expect(indices(pictures)).toEqual(slots.map((_slot, index) => index));
    for (const { slot, time } of pictures) expect(Math.abs(slot / 25 - time)).toBeLessThan(0.0201);
    const expected = rate === 24 ? slots.map((slot) => Math.round((slot * 25) / 24)) : slots;
    expect(pictures.map(({ slot }) => slot)).toEqual(expected);
  });

  it("says which picture is the last of its slot", async () => {
    const pictures = await play(constant(6, 50), { slots: 100, loop: "cut" });
    expect(pictures.map(({ ends }) => ends)).toEqual([true, false, true, false, true, true]);
  });

  it("shows each frame backwards for as long as forwards", async () => {
    // 40 ms, 100 ms and, as nothing follows, a mean frame of 50 ms.
    const video = new TimedVideo([0, 0.04, 0.14], 20);
    const pictures = await play(video, { slots: 10 });
    expect(pictures.map(({ index, time }) => [index, time])).toEqual([
      [0, 0],
      [1, 0.04],
      [2, 0.14],
      [2, 0.19],
      [1, 0.24],
      [0, 0.34],
    ]);
  });

  it("ends with the speech", async () => {
    const pictures = await play(constant(100, 50), { slots: 10 });
    expect(pictures).toHaveLength(19);
    expect(pictures.at(-1)?.slot).toBe(9);
  });
});

it("holds a block of frames at most", async () => {
  const video = constant(100, 25);
  await play(video, { slots: 400 });
  expect(video.mostOpen).toBeLessThan(40);
});

it("disposes what it holds when it is left", async () => {
  const reader = constant(100, 25);
  const { signal } = new AbortController();
  for await (const { frame } of playVideo({ reader, slots: 400, loop: "pingpong", signal })) {
    frame[Symbol.dispose]();
    if (frame.index === 50) break;
  }
  expect(reader.open).toBe(0);
});

it("refuses a video without frames", async () => {
  await expect(play(constant(0, 25), { slots: 4 })).rejects.toMatchObject({
    code: "invalid_media",
  });
});

it.each([
  ["pingpong", 50, 8, 16],
  ["cut", 25, 8, 3],
  ["silence", 25, 2, 3],
] as const)("estimates the pictures of %s at %d fps", (loop, rate, slots, expected) => {
  const reader = constant(3, rate);
  expect(estimatePictures({ reader, slots, loop })).toBe(expected);
});
