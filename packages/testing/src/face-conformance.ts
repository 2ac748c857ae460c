/** What every `FaceDetector` must do, as a vitest suite. */
import { type Face, type FaceDetector, LatentSyncError, type RgbImage } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/** A frame to look at. */
export interface FaceConformanceFrame {
  readonly image: RgbImage;
  readonly frameIndex: number;
}

export interface FaceDetectorConformanceOptions {
  /** Makes a detector; called more than once. */
  create(): Promise<FaceDetector>;
  /** A frame with at least one upright face inside it. */
  face(): Promise<FaceConformanceFrame>;
  /** A frame without a face; where no frame can be such, the reason. */
  readonly noFace: (() => Promise<FaceConformanceFrame>) | string;
  /** Why the detector cannot be tested here; the suite is then skipped with this in its title. */
  readonly skip?: string | undefined;
}

/** Checks a detector against the contract of `FaceDetector`. */
export function faceDetectorConformance(
  name: string,
  options: FaceDetectorConformanceOptions,
): void {
  const title = `${name} conforms to FaceDetector`;
  const { skip, noFace } = options;
  describe.skipIf(skip !== undefined)(skip === undefined ? title : `${title} (${skip})`, () => {
    const fixture = useFixture(options);
    answers(fixture);
    cancellation(fixture);
    lifetime(fixture, options);
    if (typeof noFace === "string") {
      it.skip(`finds nothing where there is nothing (${noFace})`, () => undefined);
    } else {
      it("finds nothing where there is nothing", async () => {
        const { image, frameIndex } = await noFace();
        expect(await fixture().detector.detect(image, frameIndex)).toEqual([]);
      });
    }
  });
}

interface Fixture extends FaceConformanceFrame {
  readonly detector: FaceDetector;
}

function useFixture(options: FaceDetectorConformanceOptions): () => Fixture {
  let detector: FaceDetector | undefined;
  let frame: FaceConformanceFrame | undefined;
  beforeAll(async () => {
    detector = await options.create();
    frame = await options.face();
  });
  afterAll(async () => {
    await detector?.[Symbol.asyncDispose]();
  });
  return () => {
    if (detector === undefined || frame === undefined) throw new Error("The detector is missing.");
    return { detector, ...frame };
  };
}

function answers(fixture: () => Fixture): void {
  it("finds a face with points where they belong", async () => {
    const { detector, image, frameIndex } = fixture();
    const faces = await detector.detect(image, frameIndex);
    expect(faces.length).toBeGreaterThan(0);
    for (const face of faces) checkFace(face);
    const [left, right, nose] = (faces[0] as Face).points;
    for (const [x, y] of [left, right, nose]) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThan(image.width);
      expect(y).toBeLessThan(image.height);
    }
    expect(left[0]).toBeLessThan(right[0]);
    expect(nose[1]).toBeGreaterThan((left[1] + right[1]) / 2);
  });

  it("leaves the image as it was and gives the same answer again", async () => {
    const { detector, image, frameIndex } = fixture();
    const before = Uint8Array.from(image.data);
    const first = await detector.detect(image, frameIndex);
    const second = await detector.detect(image, frameIndex);
    expect(Buffer.compare(image.data, before)).toBe(0);
    expect(second).toEqual(first);
  });

  it("answers calls that overlap", async () => {
    const { detector, image, frameIndex } = fixture();
    const alone = await detector.detect(image, frameIndex);
    const together = await Promise.all([0, 1, 2].map(() => detector.detect(image, frameIndex)));
    expect(together).toEqual([alone, alone, alone]);
  });

  it("refuses an image whose data does not fit its size", async () => {
    const { detector, image, frameIndex } = fixture();
    const broken = { ...image, height: image.height + 1 };
    expect(await failure(detector.detect(broken, frameIndex))).toMatchObject({
      code: "invalid_argument",
    });
  });
}

function checkFace(face: Face): void {
  const { x, y, width, height } = face.box;
  expect([x, y, width, height, face.score].every((value) => Number.isFinite(value))).toBe(true);
  expect(Math.min(width, height)).toBeGreaterThan(0);
  expect(face.score).toBeGreaterThanOrEqual(0);
  expect(face.score).toBeLessThanOrEqual(1);
  expect(face.points).toHaveLength(3);
  expect(face.points.flat().every((value) => Number.isFinite(value))).toBe(true);
}

function cancellation(fixture: () => Fixture): void {
  it("rejects with the reason of a signal that has fired", async () => {
    const { detector, image, frameIndex } = fixture();
    const reason = new Error("no longer wanted");
    const signal = AbortSignal.abort(reason);
    expect(await failure(detector.detect(image, frameIndex, { signal }))).toBe(reason);
  });

  it("goes on working after a call was aborted under way", async () => {
    const { detector, image, frameIndex } = fixture();
    const expected = await detector.detect(image, frameIndex);
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    const aborted = failure(detector.detect(image, frameIndex, { signal: controller.signal }));
    controller.abort(reason);
    // A detector that was done already may answer.
    expect([reason, undefined]).toContain(await aborted);
    expect(await detector.detect(image, frameIndex)).toEqual(expected);
  });
}

function lifetime(fixture: () => Fixture, options: FaceDetectorConformanceOptions): void {
  it("may be disposed twice, and says so when it is used afterwards", async () => {
    const { image, frameIndex } = fixture();
    const detector = await options.create();
    await detector[Symbol.asyncDispose]();
    await detector[Symbol.asyncDispose]();
    const error = await failure(detector.detect(image, frameIndex));
    expect(LatentSyncError.is(error), `expected a LatentSyncError, got ${String(error)}`).toBe(
      true,
    );
    expect(error).toMatchObject({ code: "disposed" });
  });

  it("settles calls that are under way when it is disposed", async () => {
    const { image, frameIndex } = fixture();
    const detector = await options.create();
    const calls = [0, 1, 2].map(() => failure(detector.detect(image, frameIndex)));
    await detector[Symbol.asyncDispose]();
    const strangers = (await Promise.all(calls)).filter(
      (error) => error !== undefined && !LatentSyncError.is(error),
    );
    expect(strangers).toEqual([]);
  });

  it("works beside another of its kind", async () => {
    const { detector, image, frameIndex } = fixture();
    await using other = await options.create();
    const [mine, others] = await Promise.all([
      detector.detect(image, frameIndex),
      other.detect(image, frameIndex),
    ]);
    expect(others).toEqual(mine);
  });
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
