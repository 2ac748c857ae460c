import type { TimelineFace } from "@ls/core";
import { hasReference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { openComposite, type Placed, SIDE } from "./composite.ts";
import { record } from "./figures.ts";
import { followFaces } from "./followed.ts";

const FRAMES = 100;

/** Frames in which a track is not within the square of its person, of those that tell. */
function swapped(
  frames: readonly (readonly TimelineFace[])[],
  placedAt: (index: number) => readonly Placed[],
): { readonly checked: number; readonly swaps: number } {
  let [checked, swaps] = [0, 0];
  for (const [index, faces] of frames.entries()) {
    for (const { track, box } of faces) {
      const centre = box.x + box.width / 2;
      const own = (person: number): boolean => {
        const left = placedAt(index)[person - 1]?.x ?? Number.NaN;
        return centre > left && centre < left + SIDE;
      };
      // Where squares cover one another, a place does not say whose face it is.
      if (own(track) && own(3 - track)) continue;
      checked += 1;
      if (!own(track)) swaps += 1;
    }
  }
  return { checked, swaps };
}

const share = (part: number, whole: number): number => Number((part / whole).toFixed(4));

describe.skipIf(!hasReference)(referenceTitle("tracks"), () => {
  it("keeps two people who sit side by side", async () => {
    const at = (frame: number): readonly Placed[] => [
      { demo: 1, frame, x: 0, y: 0 },
      { demo: 2, frame, x: SIDE, y: 0 },
    ];
    await using reader = await openComposite({
      ...{ width: 2 * SIDE, height: SIDE, frameCount: FRAMES, at },
    });
    const frames = await followFaces(reader);
    const both = frames.filter((faces) => faces.map(({ track }) => track).join() === "1,2").length;
    const { checked, swaps } = swapped(frames, at);
    const passed = both === FRAMES && swaps === 0;
    await record({
      row: 1,
      input: "two demo videos side by side, 1080x540, 100 frames",
      what: "both people keep their track in every frame",
      figures: { kept: share(both, FRAMES), checked, swaps },
      passed,
    });
    expect({ both, swaps }).toEqual({ both: FRAMES, swaps: 0 });
  });

  it("tells two people apart who cross", async () => {
    const width = 1600;
    const at = (frame: number): readonly Placed[] => [
      { demo: 1, frame, x: 11 * frame - 20, y: 60 },
      { demo: 2, frame, x: width - SIDE + 20 - 11 * frame, y: 0 },
    ];
    await using reader = await openComposite({ width, height: 600, frameCount: FRAMES, at });
    const frames = await followFaces(reader);
    const { checked, swaps } = swapped(frames, at);
    const tracks = new Set(frames.flatMap((faces) => faces.map(({ track }) => track))).size;
    const passed = swaps === 0 && tracks === 2 && checked > FRAMES;
    await record({
      row: 1,
      input: "two demo videos that move across one another by 11 pixels a frame, one in front",
      what: "before and after, each face has the track of its person",
      figures: { checked, swaps, tracks },
      passed,
    });
    expect({ swaps, tracks }).toEqual({ swaps: 0, tracks: 2 });
    expect(checked).toBeGreaterThan(FRAMES);
  });
});
