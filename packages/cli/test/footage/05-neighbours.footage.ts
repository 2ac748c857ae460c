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

async function sync(isBlack: (index: number) => boolean, seed = 1): Promise<TimedPicture[]> {
  await using files = await writeScene({ ...SCENE, isBlack });
  const output = files.path("out.mkv");
  const { code, stderr } = await run(
    ...["infer", "--video", files.video, "--audio", files.audio, "--out", output],
    ...["--codec", "ffv1", "--model", "latentsync-demo", "--runtime", "cpu"],
    ...["--inference-steps", "4", "--silence", "keep", "--seed", String(seed)],
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
  const otherNoise = await sync(() => false, 2);
  const near = whole
    .map((_picture, index) => index)
    .filter((index) => !isBlack(index) && index >= start - NEAR && index < start + length + NEAR);
  const likeness = (pictures: readonly TimedPicture[]): number =>
    mean(near.map((index) => psnr(pictures[index]?.data ?? [], whole[index]?.data ?? [])));
  const [besideGap, byNoise] = [likeness(gapped), likeness(otherNoise)];
  const decibels = (value: number): number => Math.round(value * 10) / 10;
  const passed = besideGap > byNoise - 1.5;
  await record({
    row: 5,
    input: `a drawn person with ${length} black frames`,
    what: `the ${NEAR} frames on each side differ from those of a run without a gap as those of another seed do`,
    figures: { besideGapDb: decibels(besideGap), otherSeedDb: decibels(byNoise) },
    passed,
  });
  expect(besideGap).toBeGreaterThan(byNoise - 1.5);
});
