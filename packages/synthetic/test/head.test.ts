import { cropImage, LatentSyncError, type RgbImage } from "@ls/core";
import { describe, expect, it } from "vitest";
import { type Articulation, restingArticulation } from "../src/articulation.ts";
import { drawHead, type HeadPlacement, type HeadState, renderHead } from "../src/head/draw-head.ts";
import { alignmentPoints } from "../src/head/head-points.ts";
import { poseAt, restingPose } from "../src/head/head-pose.ts";
import { mouthShape } from "../src/head/mouth.ts";
import { createPerson, type Person } from "../src/head/person.ts";
import { renderTalkingHead, talkingHeadPlacement } from "../src/head/talking-head.ts";

const SEEDS = Array.from({ length: 60 }, (_, index) => index);
const SIZE = { width: 128, height: 128 };
const PLACEMENT: HeadPlacement = [110, 0, 0, 110, 64, 60];

function stateOf(person: Person, mouth: Partial<Articulation> = {}): HeadState {
  return { person, pose: restingPose, mouth: { ...restingArticulation, ...mouth } };
}

function render(state: HeadState, placement: HeadPlacement = PLACEMENT): Promise<RgbImage> {
  return renderHead(state, { ...SIZE, placement });
}

/** Pixels around the mouth that are nearly black. */
function darkArea({ data, width }: RgbImage): number {
  const [scale, , , , middleX, middleY] = PLACEMENT;
  let count = 0;
  for (let y = Math.round(middleY + 0.2 * scale); y < middleY + 0.46 * scale; y++) {
    for (let x = Math.round(middleX - 0.1 * scale); x < middleX + 0.1 * scale; x++) {
      const [red = 0, green = 0, blue = 0] = data.subarray((y * width + x) * 3);
      if (red < 75 && green < 40 && blue < 45) count++;
    }
  }
  return count;
}

function meanDifference(a: RgbImage, b: RgbImage): number {
  const sum = a.data.reduce(
    (total, value, index) => total + Math.abs(value - (b.data[index] ?? 0)),
    0,
  );
  return sum / a.data.length;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (LatentSyncError.is(error)) return error.code;
    throw error;
  }
  return undefined;
}

describe("createPerson", () => {
  it("gives the same person for a seed", () => {
    expect(createPerson(5)).toEqual(createPerson(5));
  });

  it("gives different people", () => {
    const drawn = SEEDS.map((seed) =>
      drawHead(stateOf(createPerson(seed)), { ...SIZE, placement: PLACEMENT }),
    );
    expect(new Set(drawn).size).toBe(SEEDS.length);
  });

  it("gives people of every kind", () => {
    const people = Array.from({ length: 400 }, (_, seed) => createPerson(seed));
    expect(new Set(people.map((person) => person.hair.style)).size).toBe(13);
    expect(new Set(people.map((person) => person.beard.style)).size).toBe(5);
    expect(new Set(people.map((person) => person.glasses.style)).size).toBe(3);
    expect(new Set(people.map((person) => person.background.style)).size).toBe(4);
    const brightness = people.map(({ skin }) => Number.parseInt(skin.base.slice(1, 3), 16));
    expect(Math.min(...brightness)).toBeLessThan(100);
    expect(Math.max(...brightness)).toBeGreaterThan(230);
  });

  it("refuses a seed that is no whole number", () => {
    expect(codeOf(() => createPerson(1.5))).toBe("invalid_argument");
    expect(codeOf(() => createPerson(Number.NaN))).toBe("invalid_argument");
  });
});

describe("poseAt", () => {
  const person = createPerson(3);
  const times = Array.from({ length: 1500 }, (_, index) => index / 25);
  const poses = times.map((seconds) => poseAt(person, seconds));

  it("is a person's own and the same every time", () => {
    expect(poseAt(person, 2.5)).toEqual(poseAt(createPerson(3), 2.5));
    expect(poseAt(createPerson(4), 2.5)).not.toEqual(poseAt(person, 2.5));
  });

  it("moves smoothly within its range", () => {
    for (const [index, pose] of poses.entries()) {
      expect(
        Math.max(Math.abs(pose.yaw), Math.abs(pose.pitch), Math.abs(pose.gaze)),
      ).toBeLessThanOrEqual(1);
      expect(pose.blink).toBeGreaterThanOrEqual(0);
      expect(pose.blink).toBeLessThanOrEqual(1);
      const before = poses[index - 1] ?? pose;
      expect(Math.hypot(pose.x - before.x, pose.y - before.y)).toBeLessThan(0.01);
      expect(Math.abs(pose.rollDegrees - before.rollDegrees)).toBeLessThan(0.5);
    }
  });

  it("blinks now and then, not most of the time", () => {
    const shut = poses.filter(({ blink }) => blink > 0.5).length;
    expect(shut).toBeGreaterThan(10);
    expect(shut).toBeLessThan(poses.length * 0.1);
  });

  it("refuses a time before the start", () => {
    expect(codeOf(() => poseAt(person, -1))).toBe("invalid_argument");
    expect(codeOf(() => poseAt(person, Number.NaN))).toBe("invalid_argument");
  });
});

describe("renderHead", () => {
  it("gives the same pixels for the same state", async () => {
    const state = { ...stateOf(createPerson(7)), pose: poseAt(createPerson(7), 3) };
    expect(await render(state)).toEqual(await render(state));
  });

  it.each(SEEDS.slice(0, 12))("opens the mouth of person %i step by step", async (seed) => {
    const person = createPerson(seed);
    const openings = [0, 0.25, 0.5, 0.75, 1];
    const areas = await Promise.all(
      openings.map(async (opening) => {
        const state = stateOf(person, { opening });
        return darkArea(await render(state));
      }),
    );
    const growth = areas.slice(1).map((area, index) => area - (areas[index] ?? 0));
    expect(Math.min(...growth)).toBeGreaterThan(0);
  });

  it("draws a round mouth narrower and a spread one wider, with lips that never cross", () => {
    for (const seed of SEEDS) {
      const person = createPerson(seed);
      const shapes = [-1, 0, 1].map((spread) =>
        mouthShape(person, { ...restingArticulation, opening: 0.4, spread }),
      );
      const [round, rest = 0, wide] = shapes.map(({ outerHalf }) => outerHalf);
      expect(round).toBeLessThan(rest * 0.75);
      expect(wide).toBeGreaterThan(rest * 1.1);
      for (const { lipTop, gapTop, gapBottom, lipBottom, innerHalf, outerHalf } of shapes) {
        expect([lipTop, gapTop, gapBottom, lipBottom]).toEqual(
          [lipTop, gapTop, gapBottom, lipBottom].toSorted((a, b) => a - b),
        );
        expect(innerHalf).toBeLessThan(outerHalf);
      }
    }
  });

  it("shows teeth and tongue in an open mouth only", async () => {
    const person = createPerson(2);
    const shut = await render(stateOf(person));
    expect(await render(stateOf(person, { teeth: 1, tongue: 1 }))).toEqual(shut);
    const open = await render(stateOf(person, { opening: 0.6 }));
    for (const part of ["teeth", "tongue"] as const) {
      const shown = await render(stateOf(person, { opening: 0.6, [part]: 1 }));
      expect(meanDifference(shown, open)).toBeGreaterThan(0.1);
    }
  });

  it("moves everything with the placement", async () => {
    const state = {
      ...stateOf(createPerson(11), { opening: 0.5 }),
      pose: poseAt(createPerson(11), 4),
    };
    const moved: HeadPlacement = [110, 0, 0, 110, 64 + 20, 60 + 10];
    const before = await render(state);
    const after = await render(state, moved);
    const part = { width: 108, height: 118 };
    const here = cropImage(before, { x: 0, y: 0, ...part });
    const there = cropImage(after, { x: 20, y: 10, ...part });
    expect(meanDifference(here, there)).toBeLessThan(0.02);
    expect(meanDifference(here, cropImage(after, { x: 0, y: 0, ...part }))).toBeGreaterThan(5);
    const [left, right, nose] = alignmentPoints(state, PLACEMENT);
    for (const [index, [x, y]] of [left, right, nose].entries()) {
      const [movedX, movedY] = alignmentPoints(state, moved).at(index) ?? [];
      expect(movedX).toBeCloseTo(x + 20, 6);
      expect(movedY).toBeCloseTo(y + 10, 6);
    }
  });

  it("fills the whole picture, wherever the head is", async () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const far: HeadPlacement = [30, 8, -8, 30, 20, 100];
      const { data, width, height } = await render(stateOf(createPerson(seed)), far);
      expect(data).toHaveLength(width * height * 3);
      const corners = [0, width - 1, (height - 1) * width, height * width - 1];
      for (const corner of corners) expect(data[corner * 3]).toBeGreaterThan(0);
    }
  });

  it.each<[string, () => unknown]>([
    [
      "a width of 0",
      () => drawHead(stateOf(createPerson(1)), { ...SIZE, width: 0, placement: PLACEMENT }),
    ],
    [
      "half a pixel",
      () => drawHead(stateOf(createPerson(1)), { ...SIZE, height: 10.5, placement: PLACEMENT }),
    ],
    [
      "a huge picture",
      () => drawHead(stateOf(createPerson(1)), { ...SIZE, height: 1e6, placement: PLACEMENT }),
    ],
    ["a flat placement", () => alignmentPoints(stateOf(createPerson(1)), [1, 1, 1, 1, 0, 0])],
    [
      "an infinite placement",
      () => drawHead(stateOf(createPerson(1)), { ...SIZE, placement: [1, 0, 0, Infinity, 0, 0] }),
    ],
    [
      "an opening above 1",
      () => drawHead(stateOf(createPerson(1), { opening: 1.2 }), { ...SIZE, placement: PLACEMENT }),
    ],
    [
      "no number",
      () =>
        drawHead(stateOf(createPerson(1), { spread: Number.NaN }), {
          ...SIZE,
          placement: PLACEMENT,
        }),
    ],
  ])("refuses %s", (_, action) => {
    expect(codeOf(action)).toBe("invalid_argument");
  });
});

describe("alignmentPoints", () => {
  it("lie upright in a face and turn with it", () => {
    const state = stateOf(createPerson(9));
    const [left, right, nose] = alignmentPoints(state, [300, 0, 0, 300, 320, 300]);
    expect(left[0]).toBeLessThan(nose[0]);
    expect(nose[0]).toBeLessThan(right[0]);
    expect(left[1]).toBeCloseTo(right[1], 6);
    expect(nose[1]).toBeGreaterThan(left[1] + 60);
    const pose = { ...restingPose, rollDegrees: 10 };
    const [leftTurned, rightTurned] = alignmentPoints(
      { ...state, pose },
      [300, 0, 0, 300, 320, 300],
    );
    const angle = Math.atan2(rightTurned[1] - leftTurned[1], rightTurned[0] - leftTurned[0]);
    expect((angle * 180) / Math.PI).toBeCloseTo(10, 6);
  });
});

describe("renderTalkingHead", () => {
  const person = createPerson(21);
  const options = {
    person,
    width: 160,
    height: 120,
    articulationAt: (seconds: number) => ({ ...restingArticulation, opening: seconds > 1 ? 1 : 0 }),
  };

  it("draws the state of the frame's time", async () => {
    const frame = await renderTalkingHead(options, 50);
    const view = { width: 160, height: 120, placement: talkingHeadPlacement(options) };
    const mouth = { ...restingArticulation, opening: 1 };
    expect(frame).toEqual(await renderHead({ person, pose: poseAt(person, 2), mouth }, view));
    expect(frame).not.toEqual(await renderTalkingHead(options, 10));
  });

  it.each([-1, 0.5, Number.NaN])("refuses the index %s", async (index) => {
    await expect(renderTalkingHead(options, index)).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});
