import { hasReference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { openComposite, type Placed, SIDE } from "./composite.ts";
import { record } from "./figures.ts";
import { followFaces, wrongFrames } from "./followed.ts";

const SHOT = 25;
/** Whose demo video each shot shows. */
const PEOPLE = [1, 2, 3, 1, 2];
const FRAMES = SHOT * PEOPLE.length;
const SQUARE = { width: SIDE, height: SIDE };

describe.skipIf(!hasReference)(referenceTitle("cuts"), () => {
  it("are found to the frame, and people known again after them", async () => {
    const demoAt = (index: number): number => PEOPLE[Math.floor(index / SHOT)] as number;
    const at = (frame: number): readonly Placed[] => [{ demo: demoAt(frame), frame, x: 0, y: 0 }];
    await using reader = await openComposite({ ...SQUARE, frameCount: FRAMES, at });
    const frames = await followFaces(reader);
    const wrongShots = frames.filter(
      ([face], index) => face?.shot !== Math.floor(index / SHOT),
    ).length;
    const wrong = wrongFrames(frames, (index) => [demoAt(index)]).length;
    await record({
      row: 3,
      input: "five shots of a second each, of the people 1, 2, 3, 1 and 2",
      what: "every frame is in its shot and has the track of its person",
      figures: { cuts: PEOPLE.length - 1, frames: FRAMES, wrongShots, wrongTracks: wrong },
      passed: wrongShots === 0 && wrong === 0,
    });
    expect({ wrongShots, wrong }).toEqual({ wrongShots: 0, wrong: 0 });
  });

  it.each([
    [
      "a camera that swings by up to 24 pixels a frame",
      (frame: number): readonly Placed[] | number => [
        { demo: 3, frame, x: 120 * Math.sin(frame / 5), y: 40 * Math.sin(frame / 3) },
      ],
    ],
    [
      "flashes of two frames",
      (frame: number): readonly Placed[] | number =>
        frame % 20 >= 10 && frame % 20 < 12 ? 250 : [{ demo: 3, frame, x: 0, y: 0 }],
    ],
  ])("are not seen in %s", async (input, at) => {
    await using reader = await openComposite({ ...SQUARE, frameCount: 60, at });
    const frames = await followFaces(reader);
    const shots = Math.max(0, ...frames.map(([face]) => face?.shot ?? 0)) + 1;
    const tracks = new Set(frames.flatMap((faces) => faces.map(({ track }) => track))).size;
    await record({
      row: 3,
      input: `one demo video, ${input}`,
      what: "no cut is seen, and one track",
      figures: { shots, tracks },
      passed: shots === 1 && tracks === 1,
    });
    expect({ shots, tracks }).toEqual({ shots: 1, tracks: 1 });
  });
});
