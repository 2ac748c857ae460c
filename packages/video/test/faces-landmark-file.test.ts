import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { faceDetectorConformance } from "@ls/testing/conformance";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLandmarkFileDetector } from "../src/faces/landmark-file.ts";

const ORDER = ["left_brow", "right_brow", "nose"];
const FACE = [
  [100, 50],
  [182, 50],
  [141, 90],
];
const IMAGE = { width: 300, height: 200, data: new Uint8Array(300 * 200 * 3) };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "landmarks-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function write(content: unknown, name = "landmarks.json"): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

faceDetectorConformance("createLandmarkFileDetector", {
  create: async () =>
    createLandmarkFileDetector(await write({ order: ORDER, points: [FACE, null] }, "shared.json")),
  face: () => Promise.resolve({ image: IMAGE, frameIndex: 0 }),
  noFace: () => Promise.resolve({ image: IMAGE, frameIndex: 1 }),
});

describe("createLandmarkFileDetector", () => {
  it("gives the points of the frame, a box of the model's crop and full confidence", async () => {
    const path = await write({ order: ORDER, points: [null, FACE] });
    await using detector = await createLandmarkFileDetector(path);
    expect(await detector.detect(IMAGE, 1)).toEqual([
      { points: FACE, score: 1, box: { x: 66, y: 10, width: 150, height: 200 } },
    ]);
  });

  it("says how many frames the file has and how many are needed", async () => {
    await using detector = await createLandmarkFileDetector(
      await write({ order: ORDER, points: [FACE, FACE] }),
    );
    await expect(detector.detect(IMAGE, 7)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/has 2 frames.*at least 8 are needed/u),
    });
    await expect(detector.detect(IMAGE, -1)).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("names a missing file and one that cannot be read", async () => {
    await expect(createLandmarkFileDetector(join(folder, "absent.json"))).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining("absent.json"),
    });
    await expect(createLandmarkFileDetector(folder)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("is not a regular file"),
    });
  });

  it("rejects with the reason of a signal that has fired", async () => {
    const reason = new Error("stop");
    const path = await write({ order: ORDER, points: [] });
    await expect(
      createLandmarkFileDetector(path, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });

  it.each([
    ["no JSON", "{", "is not JSON"],
    ["no object", [], "does not hold an object"],
    ["null", "null", "does not hold an object"],
    ["no order", { points: [] }, "has the order nothing"],
    ["another order", { order: ["nose"], points: [] }, 'has the order ["nose"]'],
    ["no points", { order: ORDER }, "has nothing for its points"],
    ["points that are no list", { order: ORDER, points: 3 }, "has 3 for its points"],
    ["a frame of two points", { order: ORDER, points: [FACE, FACE.slice(1)] }, "at frame 1"],
    ["a frame that is no list", { order: ORDER, points: ["x"] }, 'has "x" at frame 0'],
    ["a point of three numbers", { order: ORDER, points: [[FACE[0], FACE[1], [1, 2, 3]]] }, "nose"],
    [
      "a point that is text",
      { order: ORDER, points: [[["1", "2"], FACE[1], FACE[2]]] },
      "left_brow",
    ],
    [
      "an infinite point",
      '{"order":["left_brow","right_brow","nose"],"points":[[[1e999,1],[2,2],[3,3]]]}',
      "finite",
    ],
    ["brows at one place", { order: ORDER, points: [[FACE[0], FACE[0], FACE[2]]] }, "same place"],
  ])("refuses a file with %s", async (_what, content, text) => {
    const path = await write(content);
    await expect(createLandmarkFileDetector(path)).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(text),
      hint: expect.stringContaining("left_brow"),
    });
  });
});

describe.skipIf(!hasReference)(referenceTitle("media/clip_landmarks.json"), () => {
  it("is read as it is", async () => {
    const path = reference("media", "clip_landmarks.json");
    const { points } = JSON.parse(readFileSync(path, "utf8")) as { points: number[][][] };
    await using detector = await createLandmarkFileDetector(path);
    expect(points).toHaveLength(24);
    for (const [index, expected] of points.entries()) {
      const [face] = await detector.detect(IMAGE, index);
      expect(face?.points).toEqual(expected);
    }
    await expect(detector.detect(IMAGE, 24)).rejects.toMatchObject({ code: "invalid_argument" });
  });
});
