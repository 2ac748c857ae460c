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
      "a camera that swings by up to 60 pixels a frame",
      (frame: number): readonly Placed[] | number => [
        { demo: 3, frame, x: 300 * Math.sin(frame / 5), y: 40 * Math.sin(frame / 3) },
      ],
    ],
    [
      "a window of 540 pixels that pans over the whole frame by up to 60 pixels a frame",
      (frame: number): readonly Placed[] | number => [
        {
          ...{ demo: 1, frame, x: 0, y: 0 },
          part: {
            ...{ width: SIDE, height: SIDE, y: 420 },
            x: Math.round(270 + 240 * Math.sin(frame / 4)),
          },
        },
      ],
    ],
    [
      "flashes of two frames",
      (frame: number): readonly Placed[] | number =>
        frame % 20 >= 10 && frame % 20 < 12 ? 250 : [{ demo: 3, frame, x: 0, y: 0 }],
    ],
    [
      "a picture that fades to a third of its contrast within 0.4 s",
      (frame: number): readonly Placed[] | number => [
        {
          ...{ demo: 3, frame, x: 0, y: 0 },
          opacity: 1 - (2 / 3) * Math.min(1, Math.max(0, (frame - 25) / 10)),
        },
      ],
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

  it.each([
    ["dissolves of 8 frames", 8, (share: number) => [1, share]],
    ["dissolves of 16 frames", 16, (share: number) => [1, share]],
    ["dissolves of 30 frames", 30, (share: number) => [1, share]],
    [
      "fades through grey of 16 frames",
      16,
      (share: number) => [Math.max(0, 1 - 2 * share), Math.max(0, 2 * share - 1)],
    ],
  ] as const)("are seen in %s", async (input, length, opacities) => {
    const shot = 50;
    const at = (frame: number): readonly Placed[] => {
      const next = Math.min(PEOPLE.length - 2, Math.max(1, Math.round(frame / shot)));
      const share = Math.min(1, Math.max(0, (frame + 0.5 - shot * next) / length + 0.5));
      return opacities(share).map((opacity, side) => ({
        demo: PEOPLE[next - 1 + side] as number,
        frame,
        x: 0,
        y: 0,
        opacity,
      }));
    };
    await using reader = await openComposite({ ...SQUARE, frameCount: 4 * shot, at });
    const frames = await followFaces(reader);
    const middles = [1, 2, 3].map((next) => next * shot);
    const isPure = (index: number): boolean =>
      middles.every((middle) => Math.abs(index + 0.5 - middle) >= length / 2);
    const starts = frames.flatMap(([face], index) => {
      const before = frames.slice(0, index).findLast(([other]) => other !== undefined)?.[0];
      return face !== undefined && before !== undefined && face.shot > before.shot ? [index] : [];
    });
    const off = starts.map((start) => Math.min(...middles.map((one) => Math.abs(one - start))));
    const wrong = wrongFrames(frames, (index) => [PEOPLE[Math.floor(index / shot)] as number]);
    const figures = {
      ...{ dissolves: middles.length, seen: starts.length },
      framesOff: Math.max(...off),
      pureFrames: frames.filter((_, index) => isPure(index)).length,
      wrongTracks: wrong.filter(isPure).length,
    };
    const passed =
      starts.length === middles.length &&
      figures.framesOff <= length / 2 &&
      figures.wrongTracks === 0;
    await record({
      row: 3,
      input: `four shots of two seconds, people 1, 2, 3, 1, ${input}`,
      what: "each is seen, and outside of it each frame has the track of its person",
      figures,
      passed,
    });
    expect(figures).toMatchObject({ seen: middles.length, wrongTracks: 0 });
    expect(figures.framesOff).toBeLessThanOrEqual(length / 2);
  });

  it.each([
    { name: "black", ground: 0, fade: 8, hold: 6 },
    { name: "black", ground: 0, fade: 16, hold: 20 },
    { name: "white", ground: 255, fade: 8, hold: 6 },
    { name: "white", ground: 255, fade: 16, hold: 20 },
  ])(
    "leave a person known who fades to $name in $fade frames and back after $hold",
    async ({ name, ground, fade, hold }) => {
      const shot = 40;
      const frameCount = 2 * (shot + fade) + hold;
      // The same from both ends.
      const shareAt = (frame: number): number =>
        Math.max(0, Math.min(1, (shot + fade - Math.min(frame, frameCount - 1 - frame)) / fade));
      const figures = { people: 0, frames: 0, wrongTracks: 0, shots: 0, facesInNothing: 0 };
      for (const demo of [1, 2, 3]) {
        const at = (frame: number): readonly Placed[] => [
          { demo, frame, x: 0, y: 0, opacity: shareAt(frame) },
        ];
        await using reader = await openComposite({ ...SQUARE, frameCount, ground, at });
        const frames = await followFaces(reader);
        const wrong = wrongFrames(frames, () => [1]);
        figures.people += 1;
        figures.frames += frames.filter((_, index) => shareAt(index) === 1).length;
        figures.wrongTracks += wrong.filter((index) => shareAt(index) === 1).length;
        figures.facesInNothing += frames.filter(
          (faces, index) => shareAt(index) === 0 && faces.length > 0,
        ).length;
        figures.shots = Math.max(figures.shots, ...frames.map(([face]) => (face?.shot ?? 0) + 1));
      }
      const passed = figures.wrongTracks === 0 && figures.facesInNothing === 0;
      await record({
        row: 3,
        input: `a person who fades to ${name} within ${fade} frames and back ${hold} frames later`,
        what: "the same track before and after, and no face in between",
        figures,
        passed,
      });
      expect(figures).toMatchObject({ wrongTracks: 0, facesInNothing: 0 });
    },
  );
});
