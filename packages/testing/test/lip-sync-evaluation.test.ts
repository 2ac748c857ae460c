import { LatentSyncError, type RgbImage, type VideoFrame, type VideoReader } from "@ls/core";
import { describe, expect, it } from "vitest";
import { evaluateLipSync, type EvaluationProgress } from "../src/lip-sync/evaluate-lip-sync.ts";
import type { FaceGeometry } from "../src/lip-sync/frame-comparison.ts";
import type { MouthRuler } from "../src/lip-sync/mouth-ruler.ts";
import { noise } from "./noise.ts";

const [WIDTH, HEIGHT] = [96, 64];
const MOUTH = { x: 60, y: 30, width: 8, height: 4 } as const;
/** Where the fake aligner pastes: the mouth with its margin lies in it. */
const REPAINTED = { x: 52, y: 22, width: 24, height: 24 } as const;
const TEXTURE = noise(WIDTH * HEIGHT, 9);
const FACELESS = 255;

const speech = (frame: number): number => 100 + 60 * Math.sin(frame / 2.3) + 30 * Math.sin(frame);
const other = (frame: number): number => 100 + 80 * Math.sin(frame / 3.9 + 2);

/** A textured picture with the grey of its mouth; no mouth where that is {@link FACELESS}. */
function picture(mouth: number, brightness = 0): RgbImage {
  const data = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
    data.fill(50 + 100 * (TEXTURE[pixel] as number) + brightness, pixel * 3, pixel * 3 + 3);
  }
  for (let y = 0; y < REPAINTED.height; y++) {
    const start = ((REPAINTED.y + y) * WIDTH + REPAINTED.x) * 3;
    data.fill(mouth, start, start + REPAINTED.width * 3);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

interface Clip extends VideoReader {
  readonly openFrames: ReadonlySet<VideoFrame>;
  readonly mostOpenFrames: () => number;
}

function clip(frameCount: number, draw: (index: number) => RgbImage, size = [WIDTH, HEIGHT]): Clip {
  const openFrames = new Set<VideoFrame>();
  let most = 0;
  const open = (index: number): VideoFrame => {
    const image = draw(index);
    const frame: VideoFrame = {
      index,
      timeSeconds: index / 25,
      width: image.width,
      height: image.height,
      toRgb: async (region = { x: 0, y: 0, ...image }) => {
        const { x, y, width, height } = region;
        const rows = Array.from({ length: height }, (_, row) => {
          const start = ((y + row) * image.width + x) * 3;
          return [...image.data.subarray(start, start + width * 3)];
        });
        return { width, height, data: Uint8Array.from(rows.flat()) };
      },
      clone: () => open(index),
      [Symbol.dispose]: () => openFrames.delete(frame),
    };
    openFrames.add(frame);
    most = Math.max(most, openFrames.size);
    return frame;
  };
  return {
    info: {
      width: size[0] as number,
      height: size[1] as number,
      framesPerSecond: 25,
      estimatedFrameCount: frameCount,
      description: "drawn",
    },
    async *frames({ start = 0, end = frameCount, signal } = {}) {
      for (let index = start; index < Math.min(end, frameCount); index++) {
        signal?.throwIfAborted();
        yield open(index);
      }
    },
    async [Symbol.asyncDispose]() {},
    openFrames,
    mostOpenFrames: () => most,
  };
}

/** Reads the grey of the mouth. */
const ruler: MouthRuler = {
  measure: async ({ data }) => {
    const grey = data[(MOUTH.y * WIDTH + MOUTH.x) * 3] as number;
    if (grey === FACELESS) return undefined;
    const points = [
      [60, 20],
      [70, 20],
      [65, 26],
    ] as const;
    return { opening: grey / 255, box: MOUTH, points };
  },
};

const geometry: FaceGeometry = {
  createTransform: () => ({ next: () => [1, 0, 0, 0, 1, 0] }),
  region: () => REPAINTED,
};

describe("evaluateLipSync", () => {
  it("follows the truth and not the source", async () => {
    const video = clip(60, (frame) => picture(speech(frame)));
    const truth = clip(60, (frame) => picture(speech(frame) + 10));
    const source = clip(60, (frame) => picture(other(frame)));
    const stages: EvaluationProgress[] = [];
    const evaluation = await evaluateLipSync({
      video,
      truth,
      source: { video: source, geometry },
      ruler,
      onProgress: (progress) => stages.push(progress),
    });
    expect(evaluation).toMatchObject({
      frames: 60,
      framesWithoutFace: 0,
      truth: { kind: "video", frames: 60, framesMissing: 0 },
      bestLag: { lagFrames: 0 },
    });
    expect(evaluation.correlation).toBeGreaterThan(0.999);
    expect(Math.abs(evaluation.sourceCorrelation ?? 1)).toBeLessThan(0.3);
    // Every value is off by 10 of 255.
    expect(evaluation.mouthPsnrDb).toBeCloseTo(20 * Math.log10(255 / 10), 6);
    // Nothing but the repainted rectangle differs.
    expect(evaluation.ssimOutsideFace).toBeCloseTo(1, 12);
    expect([...new Set(stages.map(({ stage }) => stage))]).toEqual([
      "video",
      "truth",
      "source",
      "mouth pixels",
      "other pixels",
    ]);
    expect(stages.at(-1)).toEqual({ stage: "other pixels", frames: 60, totalFrames: 60 });
    for (const reader of [video, truth, source]) {
      expect(reader.openFrames.size).toBe(0);
      expect(reader.mostOpenFrames()).toBeLessThan(3);
    }
  });

  it("sees a change outside the face", async () => {
    const video = clip(8, (frame) => picture(speech(frame), 20));
    const source = { video: clip(8, (frame) => picture(other(frame))), geometry };
    const truth = { kind: "openings", openings: Array.from({ length: 8 }, speech) } as const;
    const evaluation = await evaluateLipSync({ video, truth, source, ruler });
    expect(evaluation.ssimOutsideFace).toBeLessThan(0.99);
    expect(evaluation.mouthPsnrDb).toBeNull();
  });

  it("plays a short source forward and back, as the pipeline does", async () => {
    const brightness = (frame: number): number => 3 * frame;
    const order = [0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2];
    const video = clip(11, (frame) => {
      const from = order[frame] as number;
      return picture(speech(from), brightness(from));
    });
    const source = clip(4, (frame) => picture(speech(frame), brightness(frame)));
    const truth = { kind: "openings", openings: order.map(other) } as const;
    const evaluation = await evaluateLipSync({
      video,
      truth,
      source: { video: source, geometry },
      ruler,
    });
    expect(evaluation.sourceCorrelation).toBeCloseTo(1, 12);
    expect(evaluation.ssimOutsideFace).toBeCloseTo(1, 12);
    expect(evaluation.openings.source).toEqual(evaluation.openings.measured);
    expect(source.openFrames.size).toBe(0);
  });

  it("leaves out frames without a face, and counts them", async () => {
    const hidden = new Set([3, 4, 20]);
    const video = clip(40, (frame) => picture(hidden.has(frame) ? FACELESS : speech(frame)));
    const openings = Array.from({ length: 40 }, (_, frame) =>
      hidden.has(frame) ? -1000 : speech(frame),
    );
    const evaluation = await evaluateLipSync({
      video,
      truth: { kind: "openings", openings },
      ruler,
    });
    expect(evaluation).toMatchObject({ framesWithoutFace: 3, framesCompared: 37 });
    expect(evaluation.correlation).toBeGreaterThan(0.999);
    expect(evaluation.openings.measured[20]).toBeNull();
  });

  it("says 100 dB for equal pixels", async () => {
    const video = clip(4, (frame) => picture(speech(frame)));
    const truth = clip(4, (frame) => picture(speech(frame)));
    expect(await evaluateLipSync({ video, truth, ruler })).toMatchObject({ mouthPsnrDb: 100 });
  });

  it.each<[string, () => Parameters<typeof evaluateLipSync>[0], string, RegExp]>([
    [
      "a video without a face",
      () => ({
        video: clip(5, () => picture(FACELESS)),
        truth: { kind: "openings", openings: [1, 2, 3, 4, 5] },
        ruler,
      }),
      "no_face",
      /None of the 5 frames of the video/,
    ],
    [
      "a source without a face",
      () => ({
        video: clip(5, (frame) => picture(speech(frame))),
        truth: { kind: "openings", openings: [1, 2, 3, 4, 5] },
        source: { video: clip(5, () => picture(FACELESS)), geometry },
        ruler,
      }),
      "no_face",
      /of the source video/,
    ],
    [
      "a truth of another length",
      () => ({
        video: clip(20, (frame) => picture(speech(frame))),
        truth: { kind: "openings", openings: [1, 2, 3] },
        ruler,
      }),
      "invalid_argument",
      /has 20 frames, but the truth 3: they may differ by 5/,
    ],
    [
      "a true video that is longer",
      () => ({
        video: clip(20, (frame) => picture(speech(frame))),
        truth: clip(26, (frame) => picture(speech(frame))),
        ruler,
      }),
      "invalid_argument",
      /has 20 frames, but the truth more/,
    ],
    [
      "a truth of another size",
      () => ({
        video: clip(5, (frame) => picture(speech(frame))),
        truth: clip(5, (frame) => picture(speech(frame)), [48, 32]),
        ruler,
      }),
      "invalid_argument",
      /96x64 pixels, but the true one 48x32/,
    ],
    [
      "a video without frames",
      () => ({
        video: clip(0, () => picture(0)),
        truth: { kind: "openings", openings: [] },
        ruler,
      }),
      "invalid_media",
      /has no frames/,
    ],
  ])("refuses %s", async (_what, options, code, message) => {
    const error: unknown = await evaluateLipSync(options()).catch((reason: unknown) => reason);
    expect(LatentSyncError.is(error)).toBe(true);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("takes a loudness of any length", async () => {
    const video = clip(30, (frame) => picture(speech(frame)));
    const openings = Array.from({ length: 18 }, (_, frame) => speech(frame));
    const evaluation = await evaluateLipSync({
      video,
      truth: { kind: "loudness", openings },
      ruler,
    });
    expect(evaluation).toMatchObject({ framesCompared: 18, truth: { frames: 18 } });
  });

  it("ends when it is aborted, with every frame disposed", async () => {
    const controller = new AbortController();
    const video = clip(30, (frame) => picture(speech(frame)));
    const truth = clip(30, (frame) => picture(speech(frame)));
    const evaluating = evaluateLipSync({
      video,
      truth,
      ruler,
      signal: controller.signal,
      onProgress: ({ stage, frames }) => {
        if (stage === "mouth pixels" && frames === 10) controller.abort(new Error("enough"));
      },
    });
    await expect(evaluating).rejects.toThrow("enough");
    expect(video.openFrames.size + truth.openFrames.size).toBe(0);
  });
});
