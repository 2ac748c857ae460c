import { FIRST_HELD_OUT_SEED, restingArticulation } from "@ls/synthetic";
import { describe, expect, it } from "vitest";
import { playedFrame, selectCases, suiteCases } from "../../src/suite/cases.ts";
import { personScene, twoPeopleScene, withoutFace } from "../../src/suite/scenes.ts";

describe("the cases", () => {
  it("are eight, each with speech and a scene of its own", async () => {
    expect(suiteCases.map(({ name }) => name)).toEqual([
      "plain",
      "glasses",
      "beard",
      "face-leaves",
      "two-people",
      "audio-longer",
      "odd-size",
      "no-face",
    ]);
    const sounds = suiteCases.map((one) => one.newSpeech().samples.join());
    expect(new Set(sounds).size).toBe(suiteCases.length);
  });

  it("say what was drawn", () => {
    const expected = Object.fromEntries(suiteCases.map((one) => [one.name, one.expected]));
    expect(expected["face-leaves"]).toEqual({ failure: null, frames: 32, framesWithoutFace: 10 });
    expect(expected["no-face"]).toEqual({ failure: "no_face", frames: 32, framesWithoutFace: 32 });
    expect(expected["odd-size"]).toEqual({ failure: null, frames: 27, framesWithoutFace: 0 });
  });

  it("keep the set's order, whatever the order of the names", () => {
    const chosen = selectCases(["no-face", "plain"]);
    expect(chosen.map(({ name }) => name)).toEqual(["plain", "no-face"]);
    expect(() => selectCases([""])).toThrow(/no case/);
  });

  it("are played forward and back", () => {
    const played = Array.from({ length: 9 }, (_, frame) => playedFrame(frame, 4));
    expect(played).toEqual([0, 1, 2, 3, 3, 2, 1, 0, 0]);
  });
});

describe("scenes", () => {
  const size = { width: 160, height: 112 };
  const [seed, otherSeed] = [FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + 1];
  const open = { ...restingArticulation, opening: 1 };

  it("draw the same picture every time, and another for another mouth", async () => {
    const scene = personScene(seed, size);
    const first = await scene.draw(5, open);
    expect(first).toMatchObject(size);
    expect(await personScene(seed, size).draw(5, open)).toEqual(first);
    expect(await scene.draw(5, restingArticulation)).not.toEqual(first);
  });

  it("of two people change the speaker's mouth alone", async () => {
    const scene = twoPeopleScene(seed, otherSeed, size);
    const [speaking, silent] = [
      await scene.draw(5, open),
      await scene.draw(5, restingArticulation),
    ];
    const columns = new Set<number>();
    for (const [at, value] of speaking.data.entries()) {
      if (value !== silent.data[at]) columns.add(Math.floor(at / 3) % size.width);
    }
    expect(columns.size).toBeGreaterThan(3);
    expect(Math.max(...columns)).toBeLessThan((size.width * 3) / 5);
    // The other's mouth moves with time.
    expect(await scene.draw(8, open)).not.toEqual(speaking);
  });

  it("show nobody while the face is away", async () => {
    const scene = withoutFace(personScene(seed, size), { from: 2, to: 4 });
    expect([1, 2, 3, 4].map((frame) => scene.hasFace(frame))).toEqual([true, false, false, true]);
    expect(await scene.draw(2, open)).toEqual(await scene.draw(3, restingArticulation));
    expect(await scene.draw(1, open)).toEqual(await personScene(seed, size).draw(1, open));
  });
});
