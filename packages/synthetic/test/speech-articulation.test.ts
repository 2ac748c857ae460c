import { describe, expect, it } from "vitest";
import type { Articulation } from "../src/articulation.ts";
import { createSentence } from "../src/speech/sentences.ts";
import { synthesizeSpeech, type SyntheticSpeech } from "../src/speech/speech-synthesis.ts";
import { createVoice, neutralVoice } from "../src/speech/voice.ts";
import { firstPhoneOf } from "./speech-measures.ts";

const SPEECHES = Array.from({ length: 40 }, (_, seed) =>
  synthesizeSpeech({ text: createSentence(seed), voice: createVoice(seed), seed }),
);

/** At 25 frames a second, or as said. */
function track(speech: SyntheticSpeech, framesPerSecond = 25): readonly Articulation[] {
  const count = Math.floor((speech.samples.length / 16_000) * framesPerSecond);
  return Array.from({ length: count }, (_, frame) =>
    speech.articulationAt(frame / framesPerSecond),
  );
}

/** What the mouth does in the middle of the first phone of that symbol. */
function mouthOf(symbol: string, text: string): Articulation {
  const speech = synthesizeSpeech({ text, voice: neutralVoice });
  const phone = firstPhoneOf(speech, symbol);
  return speech.articulationAt((phone.startSeconds + phone.endSeconds) / 2 - 0.02);
}

const standardDeviation = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
};

describe("articulationAt", () => {
  it("stays in range, at any time", () => {
    for (const speech of SPEECHES) {
      const end = speech.samples.length / 16_000;
      for (const articulation of [
        ...track(speech, 100),
        ...[-1, end, end + 5].map((seconds) => speech.articulationAt(seconds)),
      ]) {
        expect(articulation.spread).toBeGreaterThanOrEqual(-1);
        for (const value of Object.values(articulation)) expect(value).toBeLessThanOrEqual(1);
        const { opening, teeth, tongue } = articulation;
        for (const value of [opening, teeth, tongue]) expect(value).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it("closes the lips for every P, B and M, and in pauses", () => {
    let count = 0;
    for (const speech of SPEECHES) {
      for (const { symbol, startSeconds, endSeconds } of speech.phones) {
        if (!["P", "B", "M", "sil"].includes(symbol)) continue;
        count++;
        expect(speech.articulationAt((startSeconds + endSeconds) / 2 - 0.03).opening).toBe(0);
      }
    }
    expect(count).toBeGreaterThan(100);
  });

  it("never closes them in a stressed open vowel", () => {
    for (const [symbol, text] of [
      ["AA", "pot"],
      ["AE", "bat"],
      ["EH", "bell"],
    ] as const) {
      expect(mouthOf(symbol, text).opening).toBeGreaterThan(0.4);
    }
  });

  it("shapes the mouth by the sound", () => {
    expect(mouthOf("AA", "hot").opening).toBeGreaterThan(0.9);
    expect(mouthOf("IY", "see").spread).toBeGreaterThan(0.6);
    expect(mouthOf("IY", "see").opening).toBeLessThan(0.4);
    expect(mouthOf("UW", "two").spread).toBeLessThan(-0.7);
    expect(mouthOf("W", "a way").spread).toBeLessThan(-0.7);
    expect(mouthOf("S", "a saw")).toSatisfy(({ teeth, opening }: Articulation) => {
      return teeth > 0.6 && opening > 0.05 && opening < 0.45;
    });
    expect(mouthOf("F", "a father")).toSatisfy(({ teeth, opening }: Articulation) => {
      return teeth > 0.5 && opening < 0.3;
    });
    expect(mouthOf("L", "a leaf").tongue).toBeGreaterThan(0.5);
    expect(mouthOf("TH", "a thing").tongue).toBeGreaterThan(0.6);
    expect(mouthOf("AA", "hot").tongue).toBeLessThan(0.2);
  });

  it("opens before the sound is heard", () => {
    const speech = synthesizeSpeech({ text: "Apple", voice: neutralVoice });
    const vowel = firstPhoneOf(speech, "AE");
    expect(speech.articulationAt(vowel.startSeconds).opening).toBeGreaterThan(0.15);
  });

  it("moves strongly, and smoothly enough for 25 frames a second", () => {
    const openings = SPEECHES.map((speech) => track(speech).map(({ opening }) => opening));
    const deviations = openings.map(standardDeviation).sort((a, b) => a - b);
    expect(deviations[4]).toBeGreaterThan(0.2);
    const steps = openings
      .flatMap((values) =>
        values.slice(1).map((value, index) => Math.abs(value - (values[index] ?? 0))),
      )
      .sort((a, b) => a - b);
    expect(steps[Math.floor(0.97 * steps.length)]).toBeLessThan(0.35);
    expect(steps.at(-1)).toBeLessThan(0.6);
  });

  it("does not depend on the voice but for its speed", () => {
    const [first, second] = [0, 1].map((seed) => {
      const voice = { ...createVoice(seed), speakingRate: 1 };
      return synthesizeSpeech({ text: createSentence(9), voice });
    }) as [SyntheticSpeech, SyntheticSpeech];
    expect(track(first)).toEqual(track(second));
    expect(first.samples).not.toEqual(second.samples);
  });
});
