import { pastePatch, type RgbImage } from "@ls/core";
import { hasReference, referenceTitle } from "@ls/testing";
import { createPictureVideo } from "@ls/video";
import { describe, expect, it } from "vitest";
import { readSquares } from "./composite.ts";
import { record } from "./figures.ts";
import { followFaces } from "./followed.ts";

const FRAMES = 100;
const HEIGHT = 420;
/** Sides of the squares of who speaks, and of who does not, or is the other one. */
const SIDES = { speaker: 300, listener: HEIGHT } as const;
const WIDTH = SIDES.speaker + SIDES.listener;
/** Frames of each demo video in which the mouth rests, or nearly so. */
const QUIET_STARTS = [207, 207, 61] as const;
const QUIET_FRAMES = 20;

/** All ways in which one of the three demo videos speaks beside another, in turns left and right. */
const PAIRS = [1, 2, 3].flatMap((speaker) =>
  [1, 2, 3]
    .filter((other) => other !== speaker)
    .map((other, index) => ({ speaker, other, onTheLeft: (speaker + index) % 2 === 0 })),
);
type Pair = (typeof PAIRS)[number];

const speaking = (demo: number, side: number): Promise<RgbImage[]> =>
  readSquares(demo, side, { start: 0, end: FRAMES });

/** Somebody who listens: a stretch in which the mouth rests, forth and back. */
async function listening(demo: number, side: number, count: number): Promise<RgbImage[]> {
  const start = QUIET_STARTS[demo - 1] as number;
  const squares = await readSquares(demo, side, { start, end: start + count });
  const period = Math.max(1, 2 * (count - 1));
  return Array.from({ length: FRAMES }, (_, index) => {
    const place = index % period;
    return squares[place < count ? place : period - place] as RgbImage;
  });
}

/** Who is chosen in each frame: the one on the left or on the right. */
async function choices(left: readonly RgbImage[], right: readonly RgbImage[]): Promise<string[]> {
  const border = left[0]?.width ?? 0;
  const reader = createPictureVideo({
    ...{ width: WIDTH, height: HEIGHT, frameCount: FRAMES },
    picture(index) {
      const data = new Uint8Array(WIDTH * HEIGHT * 3).fill(90);
      const image = { width: WIDTH, height: HEIGHT, data };
      for (const [x, square] of [
        [0, left[index]],
        [border, right[index]],
      ] as const) {
        if (square !== undefined) pastePatch(image, { ...square, x, y: HEIGHT - square.height });
      }
      return image;
    },
  });
  const frames = await followFaces(reader, { kind: "speaker" });
  return frames.map((faces) =>
    faces.map(({ box }) => (box.x + box.width / 2 < border ? "left" : "right")).join(),
  );
}

async function chosenOf(
  { speaker, other, onTheLeft }: Pair,
  listener: (demo: number, side: number) => Promise<RgbImage[]>,
): Promise<{ readonly ofSpeaker: number; readonly ofOther: number }> {
  const [one, two] = [
    await speaking(speaker, SIDES.speaker),
    await listener(other, SIDES.listener),
  ];
  const chosen = onTheLeft ? await choices(one, two) : await choices(two, one);
  const side = onTheLeft ? "left" : "right";
  return {
    ofSpeaker: chosen.filter((choice) => choice === side).length,
    ofOther: chosen.filter((choice) => choice !== side && choice !== "").length,
  };
}

describe.skipIf(!hasReference)(referenceTitle("the speaker"), () => {
  it.each([
    ["is frozen", 1],
    ["listens", QUIET_FRAMES],
  ] as const)("is found beside a larger person who %s", async (what, count) => {
    const results = [];
    for (const pair of PAIRS) {
      results.push(await chosenOf(pair, (demo, side) => listening(demo, side, count)));
    }
    const right = results.filter(({ ofSpeaker }) => ofSpeaker === FRAMES).length;
    await record({
      row: 6,
      input: `two of the demo videos side by side, 4 s; one speaks, and a larger one ${what}`,
      what: "the one who speaks is chosen in every frame",
      figures: { pairs: PAIRS.length, right },
      passed: right === PAIRS.length,
    });
    expect(results).toEqual(PAIRS.map(() => ({ ofSpeaker: FRAMES, ofOther: 0 })));
  });

  it("is one of two who both speak, and stays so", async () => {
    let [steady, larger] = [0, 0];
    const pairs = PAIRS.filter(({ speaker, other }) => speaker < other);
    for (const pair of pairs) {
      const { ofSpeaker, ofOther } = await chosenOf(pair, speaking);
      if (Math.max(ofSpeaker, ofOther) === FRAMES) steady += 1;
      if (ofOther === FRAMES) larger += 1;
    }
    await record({
      row: 6,
      input: "two of the demo videos side by side, 4 s, who both speak",
      what: "one of them is chosen in every frame; how often the larger one",
      figures: { pairs: pairs.length, steady, larger },
      passed: steady === pairs.length,
    });
    expect(steady).toBe(pairs.length);
  });
});
