/** What a run makes of its footage, with fakes for all that is native. */
import {
  FakeFaceAligner,
  FakeFaceDetector,
  FakeVideoSink,
  FakeVideoSource,
  type FakeWrittenFrame,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import type { AlignedFace, AlignmentPoints, Face, FaceDetector } from "../src/face.ts";
import type { AffineMatrix, ImagePatch, Point, Rectangle } from "../src/image.ts";
import type { LipSyncRequest } from "../src/latent-sync.ts";
import type { OcclusionDetector } from "../src/occlusion.ts";
import { type BenchOptions, runEngine, setUpEngine } from "./fake-accelerator.ts";

interface Made {
  readonly written: readonly FakeWrittenFrame[];
  readonly sink: FakeVideoSink;
  readonly chunks: number;
  readonly framesWithoutFace: number;
}

async function make(options: BenchOptions, request: Partial<LipSyncRequest>): Promise<Made> {
  const sink = new FakeVideoSink();
  const { load } = setUpEngine({ sink, ...options });
  await using engine = await load();
  const events = await runEngine(engine, { inferenceSteps: 1, followFaces: true, ...request });
  const done = events.at(-1);
  if (done?.type !== "done") throw new Error("The run did not end.");
  const chunks = events.flatMap((event) => (event.type === "step" ? [event.chunk] : []));
  const { framesWithoutFace } = done.result;
  return { written: sink.written, sink, chunks: Math.max(...chunks) + 1, framesWithoutFace };
}

function face(x: number): Face {
  const at = (dx: number, dy: number): Point => [x + dx, 4 + dy];
  const points: AlignmentPoints = [at(2, 4), at(6, 4), at(4, 7)];
  return { box: { x, y: 4, width: 8, height: 10 }, score: 1, points };
}

/** Two people, of whom the right one is away in the frames that are named. */
class CoupleDetector implements FaceDetector {
  readonly #away: ReadonlySet<number>;

  constructor(away: readonly number[] = []) {
    this.#away = new Set(away);
  }

  async detect(_image: unknown, index: number): Promise<readonly Face[]> {
    return this.#away.has(index) ? [face(2)] : [face(2), face(20)];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Takes each face's own part of the frame, and tells which were asked for. */
class MovingAligner extends FakeFaceAligner {
  readonly restored: ImagePatch[] = [];

  override createTransform(): ReturnType<FakeFaceAligner["createTransform"]> {
    return { next: ([[x]]) => [1, 0, -x, 0, 1, -4] };
  }

  override region(matrix?: AffineMatrix): Rectangle {
    return { x: Math.max(0, -(matrix?.[2] ?? 0) - 2), y: 4, width: 10, height: 10 };
  }

  override async restore(generated: Float32Array, aligned: AlignedFace): Promise<ImagePatch> {
    this.restored.push(aligned.background);
    return await super.restore(generated, aligned);
  }
}

const patchesOf = ({ written }: Made): number[] => written.map(({ patches }) => patches);

describe("several faces", () => {
  const couple = (away?: readonly number[]): BenchOptions => ({
    frames: 12,
    detector: new CoupleDetector(away),
    aligner: new MovingAligner(),
  });

  it("are all synced where all are asked for, each in chunks of its own", async () => {
    const made = await make(couple(), { face: { kind: "all" } });
    expect(patchesOf(made)).toEqual(Array.from({ length: 12 }, () => 2));
    expect(made.chunks).toBe(6);
  });

  it.each(["left", "right"] as const)("are told apart: %s", async (kind) => {
    const aligner = new MovingAligner();
    const made = await make({ ...couple(), aligner }, { face: { kind } });
    expect(patchesOf(made)).toEqual(Array.from({ length: 12 }, () => 1));
    expect(new Set(aligner.restored.map(({ x }) => x))).toEqual(
      new Set([kind === "left" ? 2 : 20]),
    );
  });

  it("go on without one that is away", async () => {
    const away = [6, 7, 8, 9, 10, 11];
    const made = await make(couple(away), { face: { kind: "all" } });
    expect(patchesOf(made)).toEqual([2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
  });

  it("give the same frames with every number of devices and chunks in a batch", async () => {
    const one = await make(couple(), { face: { kind: "all" } });
    const batched = await make(couple(), { face: { kind: "all" }, chunksPerBatch: 4 });
    expect(batched.written).toEqual(one.written);
  });

  it("that overlap are painted one over the other", async () => {
    const near: FaceDetector = {
      detect: async () => [face(4), { ...face(9), score: 0.9 }],
      [Symbol.asyncDispose]: async () => undefined,
    };
    const aligner = new MovingAligner();
    await make({ frames: 8, detector: near, aligner }, { face: { kind: "all" } });
    // A frame is of one grey but for the face that was painted first.
    const colours = (left: number): number[] =>
      aligner.restored.filter(({ x }) => x === left).map(({ data }) => new Set(data).size);
    expect(colours(4)).toEqual(Array.from({ length: 8 }, () => 1));
    expect(colours(9)).toEqual(Array.from({ length: 8 }, () => 2));
  });
});

describe("the source's own rate", () => {
  it("shows a model frame's mouth in several pictures", async () => {
    const { written, chunks } = await make(
      { frames: 10, source: new FakeVideoSource(40, 50) },
      { framesPerSecond: "source", followFaces: false, guidanceScale: 1 },
    );
    expect(written).toHaveLength(19);
    expect(written.map(({ timeSeconds }) => timeSeconds)).toEqual(
      written.map((_frame, index) => index / 50),
    );
    expect(written.every(({ patches }) => patches === 1)).toBe(true);
    expect(chunks).toBe(3);
  });

  it("is the model's by default, with no times of its own", async () => {
    const { written } = await make({ frames: 4, source: new FakeVideoSource(40, 50) }, {});
    expect(written.map(({ timeSeconds }) => timeSeconds)).toEqual(Array.from({ length: 4 }));
  });
});

describe("length", () => {
  it.each([
    ["freeze", [0, 1, 2, 2, 2, 2]],
    ["loop", [0, 1, 2, 0, 1, 2]],
    ["cut", [0, 1, 2]],
  ] as const)("%s", async (loop, expected) => {
    const { written } = await make({ frames: 6, source: new FakeVideoSource(3) }, { loop });
    expect(written.map(({ index }) => index)).toEqual(expected);
    expect(written.every(({ patches }) => patches === 1)).toBe(true);
  });

  it("plays a longer video to its end in silence", async () => {
    const { written } = await make(
      { frames: 4, source: new FakeVideoSource(9) },
      { loop: "silence", silence: "source" },
    );
    // The last spoken frame is 3; the mouth has faded after four more.
    expect(written.map(({ patches }) => patches)).toEqual([1, 1, 1, 1, 1, 1, 1, 0, 0]);
  });
});

describe("frames without a face", () => {
  const gap = Array.from({ length: 12 }, (_value, index) => index + 4);

  it("pass through, and leave their neighbours as they are without them", async () => {
    const request = { followFaces: false, guidanceScale: 1 };
    const detector = new FakeFaceDetector(gap);
    const made = await make({ frames: 20, detector }, request);
    expect(made.framesWithoutFace).toBe(12);
    expect(patchesOf(made)).toEqual(
      Array.from({ length: 20 }, (_value, index) => (gap.includes(index) ? 0 : 1)),
    );
    const whole = await make({ frames: 20 }, request);
    const before = ({ written }: Made): FakeWrittenFrame[] => written.slice(0, 4);
    expect(before(made)).toEqual(before(whole));
  });
});

describe("what covers a face", () => {
  const covering = (value: number): OcclusionDetector & { asked: number[] } => {
    const asked: number[] = [];
    return {
      asked,
      async detect(faces, resolution) {
        asked.push(faces.length);
        return faces.map((_face, index) =>
          index % 2 === 0 ? new Float32Array(resolution ** 2).fill(value) : undefined,
        );
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  };
  const values = ({ written }: Made): (number | undefined)[] => written.map(({ patch }) => patch);

  it("stays on top of the new mouth", async () => {
    const occlusion = covering(1);
    const [covered, free] = [
      await make({ frames: 4, occlusion }, {}),
      await make({ frames: 4 }, {}),
    ];
    expect(occlusion.asked).toEqual([4]);
    expect(values(covered).map((value, index) => value === values(free)[index])).toEqual([
      false,
      true,
      false,
      true,
    ]);
    // A frame's own grey is its number.
    expect(values(covered)[2]).toBe(2);
  });

  it("is not looked for when told so", async () => {
    const occlusion = covering(1);
    await make({ frames: 4, occlusion }, { keepOcclusions: false });
    expect(occlusion.asked).toEqual([]);
  });

  it("ends the run where it fails, and leaves nothing behind", async () => {
    const source = new FakeVideoSource(8);
    const occlusion = covering(1);
    occlusion.detect = () => Promise.reject(new Error("No memory."));
    await expect(make({ frames: 8, source, occlusion }, {})).rejects.toThrow("No memory.");
    expect(source.openFrames).toBe(0);
    expect(source.openReaders).toBe(0);
  });
});

it("hands the tags on to the sink", async () => {
  const { sink } = await make({ frames: 4 }, { metadata: { comment: "synthetic" } });
  expect(sink.options?.metadata).toEqual({ comment: "synthetic" });
});

it.each([
  [{ startSeconds: -1 }],
  [{ startSeconds: 2, endSeconds: 2 }],
  [{ endSeconds: Number.NaN }],
  [{ face: { kind: "at", x: 1.5, y: 0, timeSeconds: 0 } }],
] as const)("refuses %o", async (request) => {
  await expect(make({ frames: 4 }, request)).rejects.toMatchObject({ code: "invalid_argument" });
});
