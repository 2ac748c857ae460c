import { describe, expect, it } from "vitest";
import { findWord, lexiconWords } from "../src/speech/lexicon.ts";
import { pronounce } from "../src/speech/pronunciation.ts";
import { createSentence, isHeldOutSentence } from "../src/speech/sentences.ts";
import { SOUNDS } from "../src/speech/sounds.ts";

const TRAINING = Array.from({ length: 3000 }, (_, seed) => createSentence(seed));
const HELD_OUT = Array.from({ length: 1000 }, (_, seed) => createSentence(1_000_000 + seed));

describe("createSentence", () => {
  it("never gives a sentence for training that is held out", () => {
    expect(TRAINING.some(isHeldOutSentence)).toBe(false);
    expect(HELD_OUT.every(isHeldOutSentence)).toBe(true);
    const training = new Set(TRAINING);
    expect(HELD_OUT.filter((sentence) => training.has(sentence))).toEqual([]);
  });

  it("holds out what differs in words of grammar only", () => {
    for (const sentence of HELD_OUT) {
      expect(isHeldOutSentence(sentence.toLowerCase().replaceAll(/\bthe\b/g, "my"))).toBe(true);
    }
  });

  it("varies, and is the same for the same seed", () => {
    expect(createSentence(77)).toBe(TRAINING[77]);
    expect(new Set(TRAINING).size).toBeGreaterThan(2850);
    for (const sentence of [...TRAINING, ...HELD_OUT]) {
      expect(sentence).toMatch(/^[A-Z][a-z', ]+[.?]$/);
    }
  });

  it("uses every sound of English", () => {
    const said = new Set(
      TRAINING.flatMap((sentence) =>
        [...sentence.toLowerCase().matchAll(/[a-z']+/g)].flatMap(([word]) =>
          pronounce(word).map(({ symbol }) => symbol),
        ),
      ),
    );
    expect([...said, "sil"].sort()).toEqual(Object.keys(SOUNDS).sort());
  });
});

describe("the lexicon", () => {
  it("has at least 250 words of known sounds, each with a vowel", () => {
    expect(lexiconWords().length).toBeGreaterThan(400);
    for (const word of lexiconWords()) {
      const sounds = findWord(word) ?? [];
      expect(sounds.some(({ symbol }) => SOUNDS[symbol]?.isVowel)).toBe(true);
      expect(sounds.filter(({ symbol }) => !SOUNDS[symbol])).toEqual([]);
    }
  });
});
