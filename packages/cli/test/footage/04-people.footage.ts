import { expect, it } from "vitest";
import { run } from "../run.ts";
import { changedPixels, readPictures, writeScene } from "./drawn.ts";
import { record } from "./figures.ts";

const WIDTH = 700;
const PEOPLE = [
  { seed: 3, left: 0, size: 320 },
  { seed: 5, left: 380, size: 300 },
] as const;

it.each([
  ["all", [true, true]],
  ["left", [true, false]],
  ["right", [false, true]],
] as const)("--face %s", async (face, expected) => {
  await using files = await writeScene({
    ...{ width: WIDTH, height: 320, seconds: 0.8 },
    people: PEOPLE,
  });
  const output = files.path("out.mkv");
  const { code, stderr } = await run(
    ...["infer", "--video", files.video, "--audio", files.audio, "--out", output],
    ...["--codec", "ffv1", "--model", "latentsync-demo", "--runtime", "cpu"],
    ...["--inference-steps", "1", "--face", face, "--silence", "keep", "--loop", "cut"],
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [before, after] = [await readPictures(files.video), await readPictures(output)];
  const synced = PEOPLE.map(({ left, size }) => {
    const columns = { width: WIDTH, left, right: left + size };
    return after.filter((picture, index) => {
      const source = before[index];
      return source !== undefined && changedPixels(source, picture, columns) > 100;
    }).length;
  });
  const wanted = expected.map((speaks) => (speaks ? after.length : 0));
  const passed = synced.join() === wanted.join();
  await record({
    row: 4,
    input: `two drawn people side by side, --face ${face}`,
    what: "those who are chosen get a new mouth in every frame, the others in none",
    figures: { frames: after.length, syncedLeft: synced[0] ?? 0, syncedRight: synced[1] ?? 0 },
    passed,
  });
  expect(synced).toEqual(wanted);
});
