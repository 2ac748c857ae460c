import { type BorderFlicker, borderFlicker, regionChange } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { createGeneratedClip, facePairs, generatedMask, lipSync } from "./generated-clip.ts";

const FRAMES_PER_CHUNK = 16;
const SECONDS = 2.56;
const CLIPS = 4;
/** Over this ratio, people see borders as flicker. */
const MOST = 1.15;

/** Changes from frame to frame in the generated region, of a clip. */
async function changesOf(seed: number, mask: Float32Array): Promise<number[]> {
  await using clip = await createGeneratedClip(seed, SECONDS);
  const output = await lipSync(clip, "chunks", {});
  const changes: number[] = [];
  let last: Uint8Array | undefined;
  for await (const { generated } of facePairs(clip, output)) {
    if (last !== undefined) changes.push(regionChange(last, generated, mask));
    last = generated;
  }
  return changes;
}

describe("borders of chunks", () => {
  it("flicker no more than the frames beside them", async () => {
    const mask = await generatedMask();
    const flickers: BorderFlicker[] = [];
    for (let seed = 10; seed < 10 + CLIPS; seed++) {
      const flicker = borderFlicker(await changesOf(seed, mask), FRAMES_PER_CHUNK);
      if (flicker !== undefined) flickers.push(flicker);
    }
    const mean = (value: (flicker: BorderFlicker) => number): number =>
      flickers.reduce((sum, flicker) => sum + value(flicker), 0) / flickers.length;
    const [border, beside] = [mean((flicker) => flicker.border), mean((flicker) => flicker.beside)];
    const ratio = border / beside;
    await record({
      row: 33,
      input: `${CLIPS} drawn people, ${SECONDS} s each, the small model at 5 steps`,
      what: "the mouth changes across borders of chunks as much as beside them (of 255)",
      figures: {
        border: Number(border.toFixed(2)),
        beside: Number(beside.toFixed(2)),
        ratio: Number(ratio.toFixed(3)),
        borders: flickers.reduce((sum, { borders }) => sum + borders, 0),
      },
      passed: ratio <= MOST,
    });
    expect(ratio).toBeLessThanOrEqual(MOST);
  });
});
