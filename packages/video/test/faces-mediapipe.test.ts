import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AlignmentPoints,
  cropImage,
  type Face,
  type Picture,
  type Point,
  type RgbImage,
  rgbOf,
} from "@ls/core";
import { applyCamera } from "@ls/synthetic";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { faceDetectorConformance } from "@ls/testing/conformance";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FaceFinder, type FoundFace } from "../src/faces/face-finder.ts";
import { OFFICIAL_FACE_LIMITS } from "../src/faces/filter-faces.ts";
import { createMediaPipeDetector, type MediaPipeDetector } from "../src/faces/mediapipe.ts";
import { loadTensorFlow, packagedModelFolder, type TensorFlow } from "../src/faces/tensorflow.ts";
import { decodedFrames } from "./decoded-frames.ts";
import { type FaceOptions, facePoints, renderFace } from "./generated-face.ts";

const SIZE = { width: 480, height: 480 } as const;
/** Landmarks inside the lips, upper and lower. */
const LIPS = [13, 14] as const;

function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

function distances(a: AlignmentPoints, b: AlignmentPoints): number[] {
  return a.map((point, index) => distance(point, b[index] as Point));
}

function blank(width: number, height: number): RgbImage {
  return { width, height, data: new Uint8Array(width * height * 3).fill(120) };
}

/** A large grey frame with pictures in it. */
function collage(
  width: number,
  height: number,
  parts: readonly { readonly image: RgbImage; readonly x: number; readonly y: number }[],
): RgbImage {
  const frame = blank(width, height);
  for (const { image, x, y } of parts) {
    for (let row = 0; row < image.height; row++) {
      const source = image.data.subarray(row * image.width * 3, (row + 1) * image.width * 3);
      frame.data.set(source, ((y + row) * width + x) * 3);
    }
  }
  return frame;
}

function only<T>(values: readonly T[]): T {
  expect(values).toHaveLength(1);
  return values[0] as T;
}

faceDetectorConformance("createMediaPipeDetector", {
  create: () => createMediaPipeDetector(),
  face: async () => ({ image: await renderFace(SIZE), frameIndex: 0 }),
  noFace: () => Promise.resolve({ image: blank(480, 360), frameIndex: 0 }),
});

describe("FaceFinder", () => {
  let tensorflow: TensorFlow;
  let finder: FaceFinder;
  beforeAll(async () => {
    tensorflow = await loadTensorFlow("wasm");
    finder = await load(1);
  });
  afterAll(() => finder[Symbol.dispose]());

  function load(detectionInterval: number, minWidth = 50): Promise<FaceFinder> {
    return FaceFinder.load(tensorflow, packagedModelFolder(), {
      detectionInterval,
      maxFaces: 5,
      minWidth,
    });
  }

  it.each<[string, Partial<FaceOptions>]>([
    ["at rest", {}],
    ["talking and swaying", { time: 0.9, mouthOpening: 0.5 }],
    ["blinking", { time: 3 }],
    ["with an open mouth", { mouthOpening: 1 }],
    ["tilted right", { tiltDegrees: 30 }],
    ["tilted left", { tiltDegrees: -30 }],
    ["at the side", { center: [140, 200], faceHeight: 160 }],
    ["small", { faceHeight: 100 }],
    ["large", { faceHeight: 330 }],
  ])("finds the generated face %s, points and all", async (_what, options) => {
    const drawing = { ...SIZE, ...options };
    const face = only(finder.find(await renderFace(drawing), 0));
    const scale = drawing.faceHeight ?? 216;
    expect(face.score).toBeGreaterThan(0.95);
    for (const off of distances(face.points, facePoints(drawing))) {
      expect(off).toBeLessThan(0.035 * scale);
    }
    expect(face.box.height).toBeGreaterThan(0.7 * scale);
    expect(face.box.height).toBeLessThan(1.1 * scale);
  });

  it("sees the mouth open as far as it is drawn", async () => {
    const openings: number[] = [];
    for (const mouthOpening of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      const { landmarks } = only(finder.find(await renderFace({ ...SIZE, mouthOpening }), 0));
      const [upper, lower] = LIPS.map((index) => landmarks.subarray(index * 2, index * 2 + 2));
      openings.push(Math.hypot(upper![0]! - lower![0]!, upper![1]! - lower![1]!));
    }
    expect(openings).toEqual(openings.toSorted((a, b) => a - b));
    expect(openings.at(-1)).toBeGreaterThan(openings[0]! + 20);
  });

  it("finds every face of a picture", async () => {
    const image = await renderFace({ width: 300, height: 300 });
    const frame = collage(700, 320, [
      { image, x: 10, y: 10 },
      { image: await renderFace({ width: 300, height: 300, faceHeight: 190 }), x: 380, y: 10 },
    ]);
    expect(finder.find(frame, 0)).toHaveLength(2);
  });

  it("looks closer where a large frame shows nothing at first", async () => {
    const small = await renderFace({ width: 140, height: 140, faceHeight: 48 });
    const frame = collage(1080, 1920, [{ image: small, x: 800, y: 1500 }]);
    using closer = await load(1, 30);
    const face = only(closer.find(frame, 0));
    expect(face.box.x).toBeGreaterThan(800);
    expect(face.box.y).toBeGreaterThan(1500);
    expect(face.box.width).toBeLessThan(60);
  });

  it("follows a moving face as well as it finds it", async () => {
    using following = await load(10);
    const off: number[] = [];
    for (let frame = 0; frame < 12; frame++) {
      const image = await renderFace({ ...SIZE, time: frame / 25, mouthOpening: frame / 12 });
      const followed = only(following.find(image, frame));
      const found = only(finder.find(image, 0));
      off.push(...distances(followed.points, found.points));
    }
    expect(Math.max(...off)).toBeLessThan(3);
  });

  it("notices a cut to another place, to nothing, and back", async () => {
    using following = await load(1000);
    const first = await renderFace({ ...SIZE, center: [150, 200], faceHeight: 180 });
    const second = await renderFace({ ...SIZE, center: [330, 260], faceHeight: 180 });
    const place = (faces: readonly FoundFace[]): number[] =>
      faces.map(({ points }) => points[2][0]);
    expect(place(following.find(first, 0))[0]).toBeCloseTo(150, -1);
    expect(place(following.find(second, 1))[0]).toBeCloseTo(330, -1);
    expect(following.find(blank(480, 480), 2)).toEqual([]);
    expect(place(following.find(first, 3))[0]).toBeCloseTo(150, -1);
  });

  it("does not follow from one video into another", async () => {
    using following = await load(1000);
    const image = await renderFace(SIZE);
    following.find(image, 0);
    const elsewhere = await renderFace({ ...SIZE, time: 1 });
    const expected = finder.find(elsewhere, 0)[0]?.points;
    expect(following.find(elsewhere, 7)[0]?.points).toEqual(expected);
  });

  it("sees a second face that comes in, at the next full detection", async () => {
    using following = await load(3);
    const left = { image: await renderFace({ width: 300, height: 300 }), x: 0, y: 0 };
    const alone = collage(640, 300, [left]);
    const both = collage(640, 300, [left, { ...left, x: 340 }]);
    expect(following.find(alone, 0)).toHaveLength(1);
    const counts = [1, 2, 3].map((index) => following.find(both, index).length);
    expect(counts.at(-1)).toBe(2);
  });

  it("is as near the truth when it follows a moving camera as when it searches", async () => {
    using following = await load(10);
    const sums = { found: 0, followed: 0 };
    for (let frame = 0; frame < 12; frame++) {
      const drawing: FaceOptions = {
        ...SIZE,
        time: frame / 25,
        mouthOpening: 0.5 + 0.5 * Math.sin(frame),
        faceHeight: 220 + 30 * Math.sin(frame / 4),
        center: [200 + 6 * frame, 210 + 10 * Math.sin(frame / 3)],
        tiltDegrees: 8 * Math.sin(frame / 4),
      };
      const camera = { seed: frame, noise: 4, softness: 1.2, exposure: -0.2 };
      const image = applyCamera(await renderFace(drawing), camera);
      const truth = facePoints(drawing);
      const sum = (faces: readonly FoundFace[]): number =>
        distances(only(faces).points, truth).reduce((total, off) => total + off, 0);
      sums.found += sum(finder.find(image, 0));
      sums.followed += sum(following.find(image, frame));
    }
    expect(sums.followed).toBeLessThan(1.1 * sums.found);
  });

  it("follows in the part of the frame that it asks for as in all of it", async () => {
    using whole = await load(10);
    using part = await load(10);
    for (let frame = 0; frame < 4; frame++) {
      const image = await renderFace({ ...SIZE, time: frame / 5 });
      const region = part.nextRegion;
      const found =
        region === undefined
          ? part.find(image, frame)
          : part.follow({ ...cropImage(image, region), frameWidth: 480, frameHeight: 480 }, frame);
      expect(region === undefined).toBe(frame === 0);
      expect(found).toEqual(whole.find(image, frame));
    }
    expect(
      part.follow({ ...blank(480, 480), x: 0, y: 0, frameWidth: 480, frameHeight: 480 }, 4),
    ).toBe(undefined);
  });

  it("frees every tensor", async () => {
    const before = tensorflow.memory().numTensors;
    const own = await load(1);
    const loaded = tensorflow.memory().numTensors;
    expect(loaded).toBeGreaterThan(before);
    own.find(await renderFace(SIZE), 0);
    own.find(blank(64, 64), 1);
    expect(tensorflow.memory().numTensors).toBe(loaded);
    own[Symbol.dispose]();
    expect(tensorflow.memory().numTensors).toBe(before);
  });
});

describe("createMediaPipeDetector", () => {
  it("runs on wasm when tfjs-node-gpu is not installed", async () => {
    await using detector = await createMediaPipeDetector();
    expect(detector.backend).toBe("wasm");
  });

  it("says what to install when node-gpu is asked for and missing", async () => {
    await expect(createMediaPipeDetector({ backend: "node-gpu" })).rejects.toMatchObject({
      code: "unsupported",
      hint: expect.stringContaining("npm install @tensorflow/tfjs-node-gpu"),
    });
  });

  it("takes tfjs-node-gpu where it can be imported", async () => {
    let isReady = false;
    const ready = (): Promise<void> => {
      isReady = true;
      return Promise.resolve();
    };
    const fake = { ready, getBackend: () => "tensorflow" };
    const loaded = await loadTensorFlow("auto", () => Promise.resolve({ default: fake }));
    expect(loaded.getBackend()).toBe("tensorflow");
    expect(isReady).toBe(true);
    const broken = await loadTensorFlow("auto", () => Promise.reject(new Error("no libcudart")));
    expect(broken.getBackend()).toBe("wasm");
  });

  it("names model files that are missing or broken", async () => {
    const folder = await mkdtemp(join(tmpdir(), "faces-"));
    try {
      await expect(createMediaPipeDetector({ modelFolder: folder })).rejects.toMatchObject({
        code: "not_found",
        message: expect.stringContaining("blazeface.json"),
      });
      await writeFile(join(folder, "blazeface.json"), '{"modelTopology":{},"weightsManifest":[]}');
      await expect(createMediaPipeDetector({ modelFolder: folder })).rejects.toMatchObject({
        code: "invalid_model",
        message: expect.stringContaining("blazeface.json"),
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([0, 1.5, Number.NaN])("refuses a detection interval of %d", async (detectionInterval) => {
    await expect(createMediaPipeDetector({ detectionInterval })).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });

  it("rejects with the reason of a signal that fires while it loads", async () => {
    const reason = new Error("stop");
    const controller = new AbortController();
    const loading = createMediaPipeDetector({ signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });

  it("asks a picture for no more than it needs, and for all of it when a face is lost", async () => {
    await using detector = await createMediaPipeDetector({ detectionInterval: 4 });
    const image = await renderFace({ ...SIZE, faceHeight: 160 });
    const asked: boolean[] = [];
    const picture = (shown: RgbImage): Picture => ({
      width: shown.width,
      height: shown.height,
      toRgb: (region) => {
        asked.push(region === undefined || region.width * region.height === 480 * 480);
        return rgbOf(shown, region);
      },
    });
    for (let index = 0; index < 6; index++) only(await detector.detect(picture(image), index));
    expect(asked).toEqual([true, false, false, false, true, false]);
    expect(await detector.detect(picture(blank(480, 480)), 6)).toEqual([]);
    expect(asked.slice(6)).toEqual([false, true]);
    expect(await detector.detect(picture(image), 9)).toHaveLength(1);
    expect(asked.slice(8)).toEqual([true]);
  });

  it("leaves out faces beyond the limits", async () => {
    const image = await renderFace({ ...SIZE, faceHeight: 90 });
    await using official = await createMediaPipeDetector({
      detectionInterval: 1,
      limits: OFFICIAL_FACE_LIMITS,
    });
    expect(await official.detect(image, 0)).toEqual([]);
    await using usual = await createMediaPipeDetector();
    expect(await usual.detect(image, 0)).toHaveLength(1);
  });
});

describe.skipIf(!hasReference)(referenceTitle("media: MediaPipe on real faces"), () => {
  let detector: MediaPipeDetector;
  beforeAll(async () => {
    detector = await createMediaPipeDetector();
  });
  afterAll(() => detector[Symbol.asyncDispose]());

  it("clip_24f_540x960.mkv: the points of clip_landmarks.json to a few pixels", async () => {
    const { points } = JSON.parse(
      readFileSync(reference("media", "clip_landmarks.json"), "utf8"),
    ) as { points: AlignmentPoints[] };
    const frames = await decodedFrames(reference("media", "clip_24f_540x960.mkv"), 24);
    expect(frames).toHaveLength(24);
    const sums = [0, 0, 0];
    for (const [index, image] of frames.entries()) {
      const face = only(await detector.detect(image, index));
      for (const [which, off] of distances(face.points, points[index]!).entries()) {
        sums[which]! += off / frames.length;
      }
    }
    const [leftBrow, rightBrow, nose] = sums;
    expect(leftBrow).toBeLessThan(1.2);
    expect(rightBrow).toBeLessThan(1.2);
    expect(nose).toBeLessThan(2.5);
  });

  // Where the face is, as a person sees it: left, top, right, bottom that the points lie within.
  it.each<[string, [number, number, number, number]]>([
    ["demo1_video.mp4", [450, 600, 760, 900]],
    ["demo2_video.mp4", [380, 300, 720, 640]],
    ["demo3_video.mp4", [430, 520, 720, 800]],
  ])("%s: one face, where it is", async (name, [left, top, right, bottom]) => {
    const frames = await decodedFrames(reference("media", name), 3, 20);
    for (const [index, image] of frames.entries()) {
      const face: Face = only(await detector.detect(image, index * 20));
      for (const [x, y] of face.points) {
        expect(x).toBeGreaterThan(left);
        expect(x).toBeLessThan(right);
        expect(y).toBeGreaterThan(top);
        expect(y).toBeLessThan(bottom);
      }
    }
  });
});
