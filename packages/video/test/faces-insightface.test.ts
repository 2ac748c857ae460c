import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AffineMatrix,
  float32,
  LatentSyncError,
  type RgbImage,
  type Runtime,
  type Session,
  type Tensor,
  type TensorInfo,
} from "@ls/core";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import { hasReference, readGoldenTensors, reference, referenceTitle } from "@ls/testing";
import { faceDetectorConformance } from "@ls/testing/conformance";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInsightFaceDetector } from "../src/faces/insightface.ts";
import {
  findLandmarks,
  insightFacePoints,
  landmarkCrop,
  landmarkCropMatrix,
  pixelScaleOf,
} from "../src/faces/landmark-network.ts";
import { firstNodeNames } from "../src/faces/onnx-node-names.ts";
import {
  channelSwappedBlob,
  invertAffine,
  resizeLinear,
  roundHalfEven,
  warpAffineLinear,
} from "../src/faces/opencv-image.ts";
import { detectScrfd } from "../src/faces/scrfd.ts";

/** An image of one row or more whose three channels are `value`, `value + 1`, `value + 2`. */
function image(width: number, values: readonly number[]): RgbImage {
  const data = Uint8Array.from(values.flatMap((value) => [value, value + 1, value + 2]));
  return { width, height: values.length / width, data };
}

function firstChannel({ data }: RgbImage): number[] {
  return [...data].filter((_, index) => index % 3 === 0);
}

describe("OpenCV's arithmetic", () => {
  it("rounds halves to even", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map((value) => roundHalfEven(value))).toEqual([
      0, 2, 2, 0, -2, 2, 3,
    ]);
  });

  it("enlarges linearly, with the edges held", () => {
    expect(firstChannel(resizeLinear(image(2, [0, 100]), 4, 1))).toEqual([0, 25, 75, 100]);
    expect(firstChannel(resizeLinear(image(1, [0, 100]), 1, 4))).toEqual([0, 25, 75, 100]);
  });

  it("shrinks by sampling, but to one half by averaging", () => {
    expect(firstChannel(resizeLinear(image(3, [10, 40, 90]), 1, 1))).toEqual([40]);
    expect(firstChannel(resizeLinear(image(2, [10, 20, 30, 41]), 1, 1))).toEqual([25]);
    const same = image(2, [1, 2]);
    expect(resizeLinear(same, 2, 1)).toBe(same);
  });

  it("keeps the channels apart", () => {
    expect([...resizeLinear(image(2, [50, 150]), 1, 1).data]).toEqual([100, 101, 102]);
  });

  it("moves by whole and by half pixels, black outside", () => {
    const source = image(3, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
    const right: AffineMatrix = [1, 0, 1, 0, 1, 0];
    expect(firstChannel(warpAffineLinear(source, right, 3))).toEqual([
      0, 10, 20, 0, 40, 50, 0, 70, 80,
    ]);
    const halfDown: AffineMatrix = [1, 0, 0, 0, 1, 0.5];
    expect(firstChannel(warpAffineLinear(source, halfDown, 3))).toEqual([
      5, 10, 15, 25, 35, 45, 55, 65, 75,
    ]);
    expect(firstChannel(warpAffineLinear(source, [1, 0, 50, 0, 1, 0], 3))).toEqual(
      Array(9).fill(0),
    );
  });

  it("inverts a transform", () => {
    const inverse = invertAffine([2, 0, 10, 0, 4, -8]);
    for (const [index, value] of [0.5, 0, -5, 0, 0.25, 2].entries()) {
      expect(inverse[index]).toBeCloseTo(value, 12);
    }
  });

  it("lays pixels out in planes, channels reversed", () => {
    expect([...channelSwappedBlob(image(2, [0, 125]), 127, 2)]).toEqual([
      -62.5, 0, -63, -0.5, -63.5, -1,
    ]);
  });
});

/** An ONNX file of nodes that have names only: protobuf fields 7 (graph), 1 (node), 3 (name). */
function onnxFile(names: readonly string[]): Uint8Array {
  const field = (number: number, content: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([number * 8 + 2, content.length]), content]);
  const nodes = names.map((name) => field(1, field(3, Buffer.from(name))));
  const version = Buffer.from([8, 8]);
  return Buffer.concat([version, field(7, Buffer.concat(nodes))]);
}

describe("the landmark model's own normalisation", () => {
  const inside = { mean: 0, deviation: 1 };
  const outside = { mean: 127.5, deviation: 128 };
  it.each([
    ["Sub and Mul", ["Sub_0", "Mul_1", "Conv"], inside],
    ["names of mxnet", ["_minus0", "_mulscalar0"], inside],
    ["a batch norm of the data", ["x", "y", "bn_data"], inside],
    ["a later batch norm", ["x", "y", "z", "bn_data"], outside],
    ["Sub alone", ["Sub_0", "Conv"], outside],
    ["names under a path", ["/Sub", "/Mul"], outside],
    ["nodes too late", ["a", "b", "c", "d", "e", "f", "g", "h", "Sub", "Mul"], outside],
  ])("is found or not: %s", (_what, names, scale) => {
    expect(pixelScaleOf(onnxFile(names))).toEqual(scale);
  });

  it("refuses files that are no models", () => {
    const valid = onnxFile(["a", "b"]);
    expect(firstNodeNames(valid, 8)).toEqual(["a", "b"]);
    for (const broken of [
      new Uint8Array(),
      valid.subarray(0, 5),
      Buffer.from("not a model"),
      Uint8Array.of(0x80, 0x80),
    ]) {
      expect(() => firstNodeNames(broken, 8)).toThrow(LatentSyncError);
    }
  });
});

type Compute = (feed: Tensor) => Float32Array[];

/** A session whose outputs are computed by a function. */
class ComputedSession implements Session {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly #compute: Compute;
  #disposed = false;

  constructor(dims: readonly (number | string)[], outputCount: number, compute: Compute) {
    this.inputs = [{ name: "input", dtype: "float32", dims }];
    this.outputs = Array.from({ length: outputCount }, (_, index) => ({
      name: `output${index}`,
      dtype: "float32" as const,
      dims: ["n"],
    }));
    this.#compute = compute;
  }

  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.#disposed) throw new LatentSyncError("disposed", "The session was disposed.");
    const results = this.#compute(feeds["input"]!);
    return Promise.resolve(
      Object.fromEntries(
        results.map((data, index) => [`output${index}`, float32([data.length], data)]),
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    return Promise.resolve();
  }
}

interface Hit {
  readonly level: 0 | 1 | 2;
  readonly anchor: number;
  readonly score: number;
  /** Distances in strides. */
  readonly sides: readonly [number, number, number, number];
}

/** Outputs of SCRFD at 512x512 with these hits and nothing else. */
function scrfdOutputs(hits: readonly Hit[]): Float32Array[] {
  const counts = [64 * 64 * 2, 32 * 32 * 2, 16 * 16 * 2];
  const outputs = [1, 4, 10].flatMap((size) =>
    counts.map((count) => new Float32Array(count * size)),
  );
  for (const { level, anchor, score, sides } of hits) {
    outputs[level]![anchor] = score;
    outputs[level + 3]!.set(sides, anchor * 4);
    outputs[level + 6]!.set([1, -1, 2, -2], anchor * 10);
  }
  return outputs;
}

/** Finds a face in pictures that are bright at the top left, nothing in dark ones. */
function detectorNetwork(hits: readonly Hit[]): ComputedSession {
  return new ComputedSession([1, 3, "?", "?"], 9, ({ dims, data }) => {
    expect(dims).toEqual([1, 3, 512, 512]);
    return scrfdOutputs(Number(data[0]) > 0 ? hits : []);
  });
}

/** Row 10, column 12 of the level of stride 16: its centre is (192, 160). */
const HIT: Hit = { level: 1, anchor: (10 * 32 + 12) * 2 + 1, score: 0.9, sides: [2, 3, 4, 5] };

describe("detectScrfd", () => {
  const bright: RgbImage = {
    width: 1024,
    height: 512,
    data: new Uint8Array(1024 * 512 * 3).fill(255),
  };

  it("decodes boxes and points into pixels of the frame", async () => {
    const [detection, ...others] = await detectScrfd(detectorNetwork([HIT]), bright);
    expect(others).toEqual([]);
    expect(detection?.score).toBeCloseTo(0.9, 6);
    expect(detection?.corners).toEqual([320, 224, 512, 480]);
    expect(detection?.box).toEqual({ x: 320, y: 224, width: 192, height: 256 });
    expect(detection?.keypoints.slice(0, 4)).toEqual([416, 288, 448, 256]);
  });

  it("keeps the best of those that overlap, and all that do not", async () => {
    const hits: Hit[] = [
      { ...HIT, score: 0.6 },
      { ...HIT, anchor: HIT.anchor - 1, score: 0.8 },
      { ...HIT, level: 2, anchor: 0, score: 0.7, sides: [0, 0, 2, 2] },
      { ...HIT, level: 0, anchor: 7000, score: 0.4999 },
    ];
    const found = await detectScrfd(detectorNetwork(hits), bright);
    expect(found.map(({ score }) => score.toFixed(4))).toEqual(["0.8000", "0.7000"]);
  });

  it("fits the frame into the top left of a black square", async () => {
    let seen: Tensor | undefined;
    const session = new ComputedSession([1, 3, "?", "?"], 9, (feed) => {
      seen = feed;
      return scrfdOutputs([]);
    });
    await detectScrfd(session, {
      width: 90,
      height: 160,
      data: new Uint8Array(90 * 160 * 3).fill(200),
    });
    const at = (x: number, y: number): number => Number(seen?.data[y * 512 + x]);
    expect(at(287, 511)).toBeCloseTo((200 - 127.5) / 128, 6);
    expect(at(288, 0)).toBeCloseTo(-127.5 / 128, 6);
  });

  it("refuses networks of another form", async () => {
    const few = new ComputedSession([1, 3, "?", "?"], 2, () => []);
    await expect(detectScrfd(few, bright)).rejects.toMatchObject({ code: "invalid_model" });
    const short = new ComputedSession([1, 3, "?", "?"], 9, () =>
      Array.from({ length: 9 }, () => new Float32Array(4)),
    );
    await expect(detectScrfd(short, bright)).rejects.toMatchObject({
      code: "invalid_model",
      message: expect.stringContaining("8192"),
    });
  });
});

describe("findLandmarks", () => {
  it("looks at 1.5 times the box and maps points back to the frame", async () => {
    const values = Float32Array.from({ length: 212 }, (_, index) => [-1, 1, 0, 0.5][index % 4]!);
    const session = new ComputedSession(["None", 3, 192, 192], 1, ({ dims }) => {
      expect(dims).toEqual([1, 3, 192, 192]);
      return [values];
    });
    const frame: RgbImage = { width: 400, height: 400, data: new Uint8Array(400 * 400 * 3) };
    const scale = { mean: 0, deviation: 1 };
    const points = await findLandmarks(session, scale, frame, [100, 100, 200, 228]);
    expect([...points.subarray(0, 4)]).toEqual([54, 260, 150, 212]);
  });

  it("refuses a network with another number of points", async () => {
    const session = new ComputedSession(["None", 3, 192, 192], 1, () => [new Float32Array(136)]);
    const frame: RgbImage = { width: 4, height: 4, data: new Uint8Array(48) };
    await expect(
      findLandmarks(session, { mean: 0, deviation: 1 }, frame, [0, 0, 4, 4]),
    ).rejects.toMatchObject({ code: "invalid_model" });
  });

  it("averages LatentSync's landmarks, rounded before and after", () => {
    const landmarks = new Float32Array(212);
    const set = (index: number, x: number, y: number): void => landmarks.set([x, y], index * 2);
    for (const index of [43, 48, 49, 51, 50]) set(index, 10.4, 20.6);
    for (const [offset, x] of [1, 2, 3, 4, 7.5].entries()) set(101 + offset, x, 0.5);
    for (const [offset, index] of [74, 77, 83, 86].entries())
      set(index, offset, offset < 2 ? 1 : 2);
    expect(insightFacePoints(landmarks)).toEqual([
      [10, 21],
      [4, 0],
      [2, 2],
    ]);
  });
});

const FILES = { detector: "det_10g.onnx", landmarks: "2d106det.onnx" } as const;

/** A runtime that knows the two files by their names. */
class NamedRuntime implements Runtime {
  readonly name = "computed";
  readonly capabilities = { device: "cpu", profile: "cpu", precisions: ["float32"] } as const;

  createSession(
    graph: { readonly path: string } | { readonly bytes: Uint8Array },
  ): Promise<Session> {
    if ("path" in graph && graph.path.endsWith(FILES.detector)) {
      return Promise.resolve(detectorNetwork([HIT]));
    }
    const landmarks = new Float32Array(212);
    for (const index of [43, 48, 49, 51, 50]) landmarks.set([-0.3, -0.3], index * 2);
    for (const index of [101, 102, 103, 104, 105]) landmarks.set([0.3, -0.3], index * 2);
    return Promise.resolve(new ComputedSession(["None", 3, 192, 192], 1, () => [landmarks]));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "insightface-"));
  await writeFile(join(folder, FILES.detector), onnxFile(["Conv"]));
  await writeFile(join(folder, FILES.landmarks), onnxFile(["Sub", "Mul"]));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function evenFrame(level: number): RgbImage {
  return { width: 640, height: 640, data: new Uint8Array(640 * 640 * 3).fill(level) };
}

faceDetectorConformance("createInsightFaceDetector", {
  create: () => createInsightFaceDetector({ runtime: new NamedRuntime(), modelFolder: folder }),
  face: () => Promise.resolve({ image: evenFrame(200), frameIndex: 0 }),
  noFace: () => Promise.resolve({ image: evenFrame(0), frameIndex: 1 }),
});

describe("createInsightFaceDetector", () => {
  it("names a missing file and says what to put there", async () => {
    const runtime = new NamedRuntime();
    const modelFolder = join(folder, "absent");
    await expect(createInsightFaceDetector({ runtime, modelFolder })).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining(FILES.detector),
      hint: expect.stringContaining("non-commercial"),
    });
  });

  it("applies the official limits, or others", async () => {
    const [runtime, modelFolder] = [new NamedRuntime(), folder];
    await using strict = await createInsightFaceDetector({
      runtime,
      modelFolder,
      limits: { minWidth: 1000 },
    });
    expect(await strict.detect(evenFrame(200), 0)).toEqual([]);
  });
});

describe.skipIf(!hasReference)(referenceTitle("insightface/insightface.safetensors"), () => {
  const golden = hasReference
    ? readGoldenTensors(reference("insightface", "insightface.safetensors"))
    : new Map<string, Tensor>();
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createOnnxRuntime();
  });
  afterAll(() => runtime[Symbol.asyncDispose]());
  const goldenSession = (file: string): Promise<Session> =>
    runtime.createSession({ path: reference("insightface", file) });
  const numbers = (name: string): number[] => Array.from(golden.get(name)!.data, Number);
  const rows = (name: string, size: number): number[][] => {
    const all = numbers(name);
    return Array.from({ length: all.length / size }, (_, row) =>
      all.slice(row * size, (row + 1) * size),
    );
  };
  const picture = (): RgbImage => ({
    width: 540,
    height: 960,
    data: golden.get("image")!.data as Uint8Array,
  });
  const corners = (row: readonly number[]): [number, number, number, number] => [
    row[0]!,
    row[1]!,
    row[2]!,
    row[3]!,
  ];

  function worst(actual: readonly number[][], expected: readonly number[][]): number {
    const [a, b] = [actual.flat(), expected.flat()];
    expect(a).toHaveLength(b.length);
    return Math.max(...a.map((value, index) => Math.abs(value - b[index]!)));
  }

  // The stand-in network scores the black padding beside the frame the same everywhere, and in which
  // order numpy sorts equal scores is open: that decides which of those boxes suppress which.
  it("detections, keypoints: equal wherever the network sees the picture", async () => {
    await using session = await goldenSession(FILES.detector);
    const touchesPicture = ([x1, y1, x2, y2]: readonly number[]): boolean =>
      x1! < 540 && y1! < 960 && x2! > 0 && y2! > 0;
    const found = (await detectScrfd(session, picture())).filter((detection) =>
      touchesPicture(detection.corners),
    );
    const keypoints = rows("keypoints", 10);
    const expected = rows("detections", 5)
      .map((row, index) => ({ row, keypoints: keypoints[index]! }))
      .filter(({ row }) => touchesPicture(row));
    expect(expected.length).toBeGreaterThan(100);
    const actualRows = found.map(({ corners: box, score }) => [...box, score]);
    expect(
      worst(
        actualRows,
        expected.map(({ row }) => row),
      ),
    ).toBeLessThan(1e-3);
    expect(
      worst(
        found.map((detection) => detection.keypoints as number[]),
        expected.map((row) => row.keypoints),
      ),
    ).toBeLessThan(1e-3);
  });

  it("landmark_crop0: every pixel", () => {
    const box = corners(rows("detections", 5)[0]!);
    const crop = landmarkCrop(picture(), landmarkCropMatrix(box));
    expect(Buffer.compare(crop.data, golden.get("landmark_crop0")!.data as Uint8Array)).toBe(0);
  });

  it("landmarks_2d_106: the first four faces", async () => {
    const scale = pixelScaleOf(await readFile(reference("insightface", FILES.landmarks)));
    expect(scale).toEqual({ mean: 127.5, deviation: 128 });
    await using session = await goldenSession(FILES.landmarks);
    const detections = rows("detections", 5);
    for (const [index, expected] of rows("landmarks_2d_106", 212).entries()) {
      const box = corners(detections[index]!);
      const landmarks = await findLandmarks(session, scale, picture(), box);
      expect(worst([[...landmarks]], [expected])).toBeLessThan(1e-3);
    }
  });

  it("det_10g.onnx and 2d106det.onnx: the detector as a whole, on a real runtime", async () => {
    const modelFolder = reference("insightface");
    // The stand-in's faces are all too small for the official limits; one scores over 0.9.
    await using official = await createInsightFaceDetector({ runtime, modelFolder });
    expect(await official.detect(picture(), 0)).toEqual([]);
    const limits = { minWidth: 20, minHeight: 20, minScore: 0.9 };
    await using generous = await createInsightFaceDetector({ runtime, modelFolder, limits });
    const [face, ...others] = await generous.detect(picture(), 0);
    expect(others).toEqual([]);
    const [x1, y1, x2, y2, score] = rows("detections", 5)[0]!;
    const { x, y, width, height } = face!.box;
    expect(
      worst([[x, y, x + width, y + height, face!.score]], [[x1!, y1!, x2!, y2!, score!]]),
    ).toBeLessThan(1e-3);
    expect(face!.points).toEqual(
      insightFacePoints(Float32Array.from(rows("landmarks_2d_106", 212)[0]!)),
    );
  });
});
