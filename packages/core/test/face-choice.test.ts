import {
  FakeFaceAligner,
  FakeFaceDetector,
  FakeModel,
  FakeRuntime,
  FakeSpeechEncoder,
  FakeVideoSink,
  FakeVideoSource,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import type { Face } from "../src/face.ts";
import { LatentSync, type LipSyncRequest } from "../src/latent-sync.ts";
import { FaceChoice } from "../src/pipeline/face-choice.ts";

const FRAME = { width: 1000, height: 500 };

function faceAt(x: number, y: number, size = 100): Face {
  const box = { x: x - size / 2, y: y - size / 2, width: size, height: size };
  return {
    box,
    score: 1,
    points: [
      [x - 20, y],
      [x + 20, y],
      [x, y + 20],
    ],
  };
}

describe("FaceChoice", () => {
  it.each([
    [{ x: 0.1, y: 0.5 }, 0],
    [{ x: 0.9, y: 0.1 }, 1],
    // Nearer to the small one's box than to the large one's, though not to its centre.
    [{ x: 0.56, y: 0.5 }, 0],
    [{ x: 0.35, y: 0.5 }, 0],
  ])("takes the face nearest to %o", (point, expected) => {
    const faces = [faceAt(300, 250, 400), faceAt(800, 250, 100)];
    for (const order of [faces, faces.toReversed()]) {
      expect(new FaceChoice(point).next(order, FRAME)).toBe(faces[expected]);
    }
  });

  it("takes the nearer centre where boxes overlap", () => {
    const faces = [faceAt(450, 250, 200), faceAt(550, 250, 200)];
    expect(new FaceChoice({ x: 0.52, y: 0.5 }).next(faces, FRAME)).toBe(faces[1]);
  });

  it("stays with its face whatever the order of the detector's list", () => {
    const choice = new FaceChoice({ x: 0.3, y: 0.5 });
    for (let frame = 0; frame < 40; frame++) {
      const mine = faceAt(300 + frame * 10, 250);
      const other = faceAt(800 - frame * 5, 100, 100 + frame);
      const faces = frame % 3 === 0 ? [other, mine] : [mine, other];
      expect(choice.next(faces, FRAME)).toBe(mine);
    }
  });

  it("waits for the first frame with faces, and takes none while its face is away", () => {
    const choice = new FaceChoice({ x: 0.3, y: 0.5 });
    expect(choice.next([], FRAME)).toBeUndefined();
    const mine = faceAt(300, 250);
    const other = faceAt(420, 250);
    expect(choice.next([other, mine], FRAME)).toBe(mine);
    expect(choice.next([other], FRAME)).toBeUndefined();
    expect(choice.next([], FRAME)).toBeUndefined();
    const back = faceAt(340, 260);
    expect(choice.next([other, back], FRAME)).toBe(back);
  });

  it("follows a face that comes much nearer", () => {
    const choice = new FaceChoice({ x: 0.3, y: 0.5 });
    choice.next([faceAt(300, 250, 80)], FRAME);
    const near = faceAt(310, 260, 400);
    expect(choice.next([faceAt(900, 250, 80), near], FRAME)).toBe(near);
  });
});

/** Two faces in a frame of 32 x 24 that the detector lists in changing order. */
class TwoFaces extends FakeFaceDetector {
  override async detect(...args: Parameters<FakeFaceDetector["detect"]>): Promise<readonly Face[]> {
    const [, frameIndex] = args;
    const left = faceAt(8, 12, 10);
    const right = faceAt(24, 12, 10);
    if (frameIndex === 5) return [left];
    return frameIndex % 2 === 0 ? [left, right] : [right, left];
  }
}

/** Tells where the eyes of the faces are that it is asked for. */
class RecordingAligner extends FakeFaceAligner {
  readonly asked: number[] = [];

  override createTransform(): ReturnType<FakeFaceAligner["createTransform"]> {
    const transform = super.createTransform();
    return {
      next: (points) => {
        this.asked.push((points[0][0] + points[1][0]) / 2);
        return transform.next(points);
      },
    };
  }
}

async function run(request: Partial<LipSyncRequest>) {
  const aligner = new RecordingAligner();
  const sink = new FakeVideoSink();
  await using engine = await LatentSync.load({
    model: new FakeModel(),
    runtime: new FakeRuntime(),
    source: new FakeVideoSource(8),
    sink,
    detector: new TwoFaces(),
    speech: new FakeSpeechEncoder(8),
    aligner,
  });
  const files = { video: "in.mp4", audio: "in.wav", output: "out.mp4", inferenceSteps: 1 };
  for await (const event of engine.run({ ...files, ...request })) {
    if (event.type === "done") expect(event.result.frames).toBe(8);
  }
  const untouched = sink.written.flatMap(({ index, patch }) =>
    patch === undefined ? [index] : [],
  );
  return { asked: aligner.asked, untouched };
}

describe("faceAt", () => {
  it("gives speech to one of two faces, and leaves frames without it as they are", async () => {
    const { asked, untouched } = await run({ faceAt: { x: 0.9, y: 0.5 } });
    expect(asked).toEqual(Array.from({ length: 7 }, () => 24));
    expect(untouched).toEqual([5]);
  });

  it("makes a frame without the face an error when told to", async () => {
    await expect(
      run({ faceAt: { x: 0.9, y: 0.5 }, framesWithoutFace: "fail" }),
    ).rejects.toMatchObject({ code: "no_face" });
  });

  it("left out, takes the detector's first face in every frame", async () => {
    const { asked, untouched } = await run({});
    expect(asked).toEqual([8, 24, 8, 24, 8, 8, 8, 24]);
    expect(untouched).toEqual([]);
  });

  it.each([
    { x: 1.1, y: 0 },
    { x: 0, y: -0.1 },
    { x: Number.NaN, y: 0 },
  ])("refuses %o", async (point) => {
    await expect(run({ faceAt: point })).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
