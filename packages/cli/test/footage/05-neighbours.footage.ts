import { psnr } from "@ls/testing";
import { expect, it } from "vitest";
import { run } from "../run.ts";
import { type DrawnScene, readPictures, type TimedPicture, writeScene } from "./drawn.ts";
import { record } from "./figures.ts";

const SECONDS = 1.6;
const SCENE: DrawnScene = {
  ...{ width: 320, height: 320, seconds: SECONDS },
  people: [{ seed: 3, left: 0, size: 320 }],
};
/** Frames beside the gap that count as its neighbours. */
const NEAR = 2;

async function sync(isBlack: (index: number) => boolean): Promise<TimedPicture[]> {
  await using files = await writeScene({ ...SCENE, isBlack });
  const output = files.path("out.mkv");
  const { code, stderr } = await run(
    ...["infer", "--video", files.video, "--audio", files.audio, "--out", output],
    ...["--codec", "ffv1", "--model", "latentsync-demo", "--runtime", "cpu"],
    ...["--inference-steps", "4", "--silence", "keep"],
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return await readPictures(output);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

it.each([
  [4, 18],
  [12, 18],
])("%d frames without a face, from frame %d on", async (length, start) => {
  const isBlack = (index: number): boolean => index >= start && index < start + length;
  const [whole, gapped] = [await sync(() => false), await sync(isBlack)];
  const likeness = (index: number): number =>
    psnr(gapped[index]?.data ?? [], whole[index]?.data ?? []);
  const indices = whole.map((_picture, index) => index).filter((index) => !isBlack(index));
  const isNear = (index: number): boolean => index >= start - NEAR && index < start + length + NEAR;
  const near = mean(indices.filter(isNear).map(likeness));
  const far = mean(indices.filter((index) => !isNear(index)).map(likeness));
  const passed = near > far - 1.5;
  const decibels = (value: number): number => Math.round(value * 10) / 10;
  await record({
    row: 5,
    input: `a drawn person with ${length} black frames`,
    what: "the frames beside the gap are as much like those of a run without a gap as all others",
    figures: { nearDb: decibels(near), farDb: decibels(far), neighbours: NEAR },
    passed,
  });
  expect(near).toBeGreaterThan(far - 1.5);
});
