import { expect, it } from "vitest";
import { run } from "../run.ts";
import { changedPixels, readPictures, writeScene } from "./drawn.ts";
import { record } from "./figures.ts";

const SIZE = 320;

it.each([24, 30, 60])("--fps source at %d frames a second", async (framesPerSecond) => {
  await using files = await writeScene({
    ...{ width: SIZE, height: SIZE, seconds: 1, framesPerSecond },
    people: [{ seed: 3, left: 0, size: SIZE }],
  });
  const output = files.path("out.mkv");
  const { code, stderr } = await run(
    ...["infer", "--video", files.video, "--audio", files.audio, "--out", output],
    ...["--codec", "ffv1", "--model", "latentsync-demo", "--runtime", "cpu"],
    ...["--inference-steps", "1", "--silence", "keep", "--fps", "source", "--loop", "cut"],
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [before, after] = [await readPictures(files.video), await readPictures(output)];
  const errors = after.map(({ timeSeconds }, index) =>
    Math.abs(timeSeconds - (before[index]?.timeSeconds ?? Number.NaN)),
  );
  const columns = { width: SIZE, left: 0, right: SIZE };
  const synced = after.filter((picture, index) => {
    const source = before[index];
    return source !== undefined && changedPixels(source, picture, columns) > 100;
  }).length;
  const largestErrorMs = Math.round(1e6 * Math.max(...errors)) / 1e3;
  const passed = after.length === before.length && synced === after.length && largestErrorMs <= 1;
  await record({
    row: 24,
    input: `a drawn person at ${framesPerSecond} frames a second, --fps source`,
    what: "every frame is kept, at its time, with a new mouth",
    figures: { sourceFrames: before.length, frames: after.length, synced, largestErrorMs },
    passed,
  });
  expect({ frames: after.length, synced }).toEqual({
    frames: before.length,
    synced: before.length,
  });
  expect(largestErrorMs).toBeLessThanOrEqual(1);
});
