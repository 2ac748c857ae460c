import { describe, expect, it } from "vitest";
import { type SilenceMode, SpeechTrack } from "../src/pipeline/speech-track.ts";
import type { SpeechFeatures } from "../src/speech.ts";

const SILENCE = -1;

/** Speech whose frames are numbered; those of `voiced` are marked with `#`. */
function speech(voiced: string): SpeechFeatures & { returned: boolean } {
  const features = {
    frameCount: voiced.length,
    durationSeconds: voiced.length / 25,
    elementsPerFrame: 1,
    returned: false,
    async *frames() {
      try {
        for (const [index, mark] of voiced.split("").entries()) {
          yield { features: Float32Array.of(index), voiced: mark === "#" };
        }
      } finally {
        features.returned = true;
      }
    },
    silence: async () => Float32Array.of(SILENCE),
    [Symbol.asyncDispose]: async () => undefined,
  };
  return features;
}

async function hear(
  voiced: string,
  mode: SilenceMode,
  slots: readonly number[],
): Promise<{ features: (number | undefined)[]; strengths: number[] }> {
  await using track = new SpeechTrack(speech(voiced), mode, new AbortController().signal);
  const features: (number | undefined)[] = [];
  const strengths: number[] = [];
  for (const slot of slots) {
    const heard = await track.at(slot);
    features.push(heard.features[0]);
    strengths.push(heard.strength);
  }
  return { features, strengths };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_value, index) => index);

describe("speech by model frame", () => {
  it("keeps what sounds", async () => {
    const { features, strengths } = await hear("#..#", "keep", upTo(4));
    expect(features).toEqual([0, 1, 2, 3]);
    expect(strengths).toEqual([1, 1, 1, 1]);
  });

  it("rests where nobody speaks", async () => {
    const { features, strengths } = await hear("#..#", "rest", upTo(4));
    expect(features).toEqual([0, SILENCE, SILENCE, 3]);
    expect(strengths).toEqual([1, 1, 1, 1]);
  });

  it("fades to the source's own mouth before and after speech", async () => {
    const { features, strengths } = await hear(".....##......", "source", upTo(13));
    expect(strengths).toEqual([0, 0, 0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0]);
    expect(features).toEqual(upTo(13));
  });

  it.each(["keep", "rest"] as const)("is silent after the end: %s", async (mode) => {
    expect(await hear("##", mode, [0, 1, 2, 3])).toEqual({
      features: [0, 1, SILENCE, SILENCE],
      strengths: [1, 1, 1, 1],
    });
  });

  it("may leave out frames, and ask for one again", async () => {
    expect((await hear("#####", "keep", [0, 0, 2, 2, 4])).features).toEqual([0, 0, 2, 2, 4]);
    expect((await hear("#####", "source", [1, 1, 4])).features).toEqual([1, 1, 4]);
  });

  it("ends the iteration when it is put away", async () => {
    const features = speech("####");
    const track = new SpeechTrack(features, "rest", new AbortController().signal);
    await track.at(0);
    await track[Symbol.asyncDispose]();
    expect(features.returned).toBe(true);
  });
});
