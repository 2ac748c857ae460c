import { edgeColourDifference } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { createGeneratedClip, facePairs, generatedMask, lipSync } from "./generated-clip.ts";

const SECONDS = 1.28;

describe("colour at the mask's edge", () => {
  it("is the frame's, where it is matched", async () => {
    await using clip = await createGeneratedClip(1, SECONDS);
    const mask = await generatedMask();
    const measure = async (matchColour: boolean): Promise<number> => {
      const output = await lipSync(clip, `colour-${matchColour}`, { matchColour });
      let sum = 0;
      let frames = 0;
      for await (const pair of facePairs(clip, output)) {
        sum += edgeColourDifference(pair, mask);
        frames++;
      }
      return Number((sum / frames).toFixed(2));
    };
    const [plain, matched] = [await measure(false), await measure(true)];
    const passed = matched < 0.8 * plain && matched < 2;
    await record({
      row: 32,
      input: `a drawn person, ${SECONDS} s, the small model at 5 steps`,
      what: "the new mouth's colour differs less from the frame's at the mask's edge (of 255)",
      figures: { plain, matched },
      passed,
    });
    expect({ plain, matched, passed }).toMatchObject({ passed: true });
  });
});
