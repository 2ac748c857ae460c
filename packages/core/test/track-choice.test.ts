import { describe, expect, it } from "vitest";
import type { Face } from "../src/face.ts";
import type { FaceSelection } from "../src/faces/face-timeline.ts";
import { speakingSeconds } from "../src/faces/speaker.ts";
import {
  appearanceOf,
  faceAt,
  type FaceOptions,
  follow,
  type Moment,
  MomentVideo,
  random,
  runsOf,
  timelineOf,
} from "./face-timeline-fixtures.ts";

/** A mouth in speech, about four syllables a second. */
const speech = (index: number): number => 0.12 + 0.1 * Math.sin((2 * Math.PI * 4 * index) / 25);

/** A mouth at rest, with the noise of its landmarks, which slowly begins to smile. */
function rest(index: number): number {
  return 0.03 + 0.02 * random(index)() + 0.08 * Math.min(1, index / 120);
}

const person = (options: FaceOptions): Face => faceAt(options);

/** Three people: small on the left, large in the middle, tiny on the right. */
function panel(index: number, mouths: readonly ((index: number) => number)[]): Face[] {
  return [
    { x: 100, size: 80 },
    { x: 330, size: 160 },
    { x: 560, size: 60 },
  ].map((place, at) => {
    const mouthOpening = mouths[at]?.(index);
    return person({ ...place, ...(mouthOpening === undefined ? {} : { mouthOpening }) });
  });
}

const choose = (selection: FaceSelection, frames = 60) =>
  follow(frames, (index) => ({ faces: panel(index, []) }), selection);

describe("by size and place", () => {
  it.each([
    ["largest", "2*60"],
    ["left", "1*60"],
    ["right", "3*60"],
    ["center", "2*60"],
    ["speaker", "2*60"],
    ["all", "1 2 3*60"],
  ] as const)("takes %s", async (kind, expected) => {
    expect(runsOf(await choose({ kind }))).toBe(expected);
  });

  it("judges a shot as a whole, so that nothing jumps within it", async () => {
    const frames = await follow(
      100,
      (index) => ({
        faces: [
          person({ x: 200, size: index < 20 ? 70 : 130 }),
          person({ x: 460, size: index < 20 ? 120 : 90 }),
        ],
      }),
      { kind: "largest" },
    );
    expect(runsOf(frames)).toBe("1*100");
  });

  it("does not take who only passes", async () => {
    const passing = (index: number): Moment => ({
      faces: [
        person({ x: 400 }),
        ...(index >= 40 && index < 50 ? [person({ x: 100 + index })] : []),
      ],
    });
    expect(runsOf(await follow(100, passing, { kind: "left" }))).toBe("1*100");
  });

  it("decides anew in each shot", async () => {
    const shots = (index: number): Moment => ({
      scene: index < 50 ? 0 : 1,
      faces: [person({ x: 200, size: 100 }), person({ x: 450, size: index < 50 ? 80 : 150 })],
    });
    expect(runsOf(await follow(100, shots, { kind: "largest" }))).toBe("1*50, 4*50");
  });
});

describe("by number", () => {
  it.each([1, 2, 3])("takes face %d", async (number) => {
    expect(runsOf(await choose({ kind: "number", number }))).toBe(`${number}*60`);
  });

  it("says so if there is none of that number", async () => {
    await expect(choose({ kind: "number", number: 4 })).rejects.toMatchObject({
      code: "no_face",
      message: expect.stringContaining("Face 4 was chosen, but the video shows 3") as unknown,
    });
  });
});

describe("the speaker", () => {
  it("is who speaks, not who is large", async () => {
    const frames = await follow(120, (index) => ({ faces: panel(index, [rest, rest, speech]) }), {
      kind: "speaker",
    });
    expect(runsOf(frames)).toBe("3*120");
  });

  it.each([
    ["nobody speaks", [rest, rest, rest]],
    ["several speak", [speech, rest, (index: number) => speech(index + 3)]],
    ["mouths are not known", []],
  ])("is the largest if %s", async (_, mouths) => {
    const frames = await follow(120, (index) => ({ faces: panel(index, mouths) }), {
      kind: "speaker",
    });
    expect(runsOf(frames)).toBe("2*120");
  });

  it("goes on over cuts where recognised, and is decided anew where not", async () => {
    const look = (who: number) => ({ appearance: appearanceOf(who) });
    const shots = (index: number): Moment => {
      const scene = Math.floor(index / 50);
      if (scene === 1) return { scene, faces: [person({ x: 300, size: 200, ...look(2) })] };
      // Comes back small, beside somebody larger.
      const size = scene === 0 ? 120 : 60;
      return {
        scene,
        faces: [person({ x: 150, size, ...look(1) }), person({ x: 450, size: 90, ...look(2) })],
      };
    };
    // The second shot shows only the other one, who then goes on.
    expect(runsOf(await follow(150, shots, { kind: "speaker" }))).toBe("1*50, 2*100");
    const alone = (index: number): Moment =>
      index < 50 || index >= 100 ? shots(index) : { scene: 1, faces: [] };
    expect(runsOf(await follow(150, alone, { kind: "speaker" }))).toBe("1*50, -*50, 1*50");
  });

  it("is not replaced while away for less than the look-ahead", async () => {
    const away =
      (from: number, to: number) =>
      (index: number): Moment => ({
        faces: [
          ...(index >= from && index < to
            ? []
            : [person({ x: 150, size: 180, appearance: appearanceOf(1) })]),
          person({ x: 450, size: 90, appearance: appearanceOf(2) }),
        ],
      });
    expect(runsOf(await follow(400, away(100, 250), { kind: "speaker" }))).toBe(
      "1*100, -*150, 1*150",
    );
    expect(runsOf(await follow(400, away(100, 400), { kind: "speaker" }))).toBe("1*100, 2*300");
  });
});

describe("who is pointed at", () => {
  const couple = (index: number): Moment => ({
    faces: [
      person({ x: 100 + index * 2, appearance: appearanceOf(1) }),
      person({ x: 560 - index * 2, y: 100, appearance: appearanceOf(2) }),
    ],
  });

  it.each([
    [{ x: 0.2, y: 0.5, timeSeconds: 0 }, 1],
    [{ x: 0.8, y: 0.5, timeSeconds: 0 }, 2],
    [{ x: 0.8, y: 0.5, timeSeconds: 7 }, 1],
    [{ x: 0.2, y: 0.3, timeSeconds: 7 }, 2],
  ])("is followed from %o, before and after", async (place, expected) => {
    expect(runsOf(await follow(200, couple, { kind: "at", ...place }))).toBe(`${expected}*200`);
  });

  it("is the next to come if nobody is there at that time", async () => {
    const late = (index: number): Moment => (index < 30 ? { faces: [] } : couple(index));
    const selection = { kind: "at", x: 0.9, y: 0.3, timeSeconds: 0.2 } as const;
    expect(runsOf(await follow(80, late, selection))).toBe("-*30, 2*50");
  });

  it("is found however late the time", async () => {
    const late = (index: number): Moment => ({
      faces: index < 800 ? [person({ x: 100 })] : [person({ x: 100 }), person({ x: 500 })],
    });
    const selection = { kind: "at", x: 0.8, y: 0.5, timeSeconds: 36 } as const;
    expect(runsOf(await follow(1000, late, selection))).toBe("-*800, 2*200");
  });

  it("is recognised after a cut; without appearances the nearest to the place is taken", async () => {
    const shots =
      (looks: boolean) =>
      (index: number): Moment => {
        const scene = Math.floor(index / 40);
        const look = (who: number) => (looks ? { appearance: appearanceOf(who) } : {});
        const [one, other] = scene === 1 ? [450, 200] : [200, 450];
        return { scene, faces: [person({ x: one, ...look(1) }), person({ x: other, ...look(2) })] };
      };
    const selection = { kind: "at", x: 0.3, y: 0.5, timeSeconds: 0 } as const;
    expect(runsOf(await follow(80, shots(true), selection))).toBe("1*80");
    expect(runsOf(await follow(80, shots(false), selection))).toBe("1*40, 3*40");
  });
});

describe("who looks like a picture", () => {
  const look = (who: number) => ({ appearance: appearanceOf(who) });
  const shots = (index: number): Moment => {
    const scene = Math.floor(index / 40);
    const faces = [person({ x: 200, size: 140, ...look(1) })];
    return { scene, faces: scene === 1 ? faces : [...faces, person({ x: 450, ...look(2) })] };
  };

  it("is taken wherever seen, and nobody else", async () => {
    const selection = { kind: "like", appearance: appearanceOf(2) } as const;
    expect(runsOf(await follow(120, shots, selection))).toBe("2*40, -*40, 2*40");
  });

  it("cannot be told by a detector that knows no appearances", async () => {
    const selection = { kind: "like", appearance: appearanceOf(2) } as const;
    const plain = () => ({ faces: [person({ x: 100 })] });
    await expect(follow(60, plain, selection)).rejects.toMatchObject({ code: "unsupported" });
  });
});

it("does the same whatever the order and the pauses of those who ask", async () => {
  const moment = (index: number): Moment => ({
    scene: Math.floor(index / 90) % 2,
    faces: panel(index, [speech, rest, rest]).filter((_, at) => (index + 20 * at) % 70 < 64),
  });
  const straight = await follow(300, moment, { kind: "speaker" });
  await using timeline = timelineOf(new MomentVideo(300, moment), { kind: "speaker" });
  for (const index of [299, 0, 150, 149, 31, 30, 299]) {
    expect(await timeline.at(index)).toEqual(straight[index]);
  }
});

it("measures how long a mouth speaks", () => {
  const openings = Array.from({ length: 250 }, (_, index) => (index < 150 ? speech(index) : 0.03));
  expect(speakingSeconds(openings, 25)).toBeCloseTo(6, 0);
  expect(
    speakingSeconds(
      openings.map(() => Number.NaN),
      25,
    ),
  ).toBe(0);
  expect(
    speakingSeconds(
      Array.from({ length: 250 }, (_, index) => rest(index)),
      25,
    ),
  ).toBe(0);
});
