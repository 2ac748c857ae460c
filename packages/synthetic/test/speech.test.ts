import { describe, expect, it } from "vitest";
import { pronounce } from "../src/speech/pronunciation.ts";
import { createSentence } from "../src/speech/sentences.ts";
import { type Phone, synthesizeSpeech } from "../src/speech/speech-synthesis.ts";
import { createVoice, neutralVoice } from "../src/speech/voice.ts";
import {
  energyAbove,
  firstPhoneOf,
  formantsOf,
  middleOf,
  phonesOf,
  pitchOf,
  rms,
} from "./speech-measures.ts";

const say = (text: string, seed = 0) => synthesizeSpeech({ text, voice: neutralVoice, seed });
const symbols = (phones: readonly Phone[]) =>
  phones.map(({ symbol }) => symbol).filter((symbol) => symbol !== "sil");

describe("synthesizeSpeech", () => {
  it("gives the same speech for the same options, and another for another seed", () => {
    const text = createSentence(3);
    const speech = say(text, 5);
    expect(say(text, 5).samples).toEqual(speech.samples);
    expect(say(text, 5).phones).toEqual(speech.phones);
    expect(say(text, 6).phones).not.toEqual(speech.phones);
    expect(say(text, 6).samples).not.toEqual(speech.samples);
  });

  it("says the words in order, from 0 to the end without gaps", () => {
    const { phones, samples } = say("The cat, um, sat.");
    expect(symbols(phones).join(" ")).toBe("DH AH K AE T AH M S AE T");
    expect(phones.filter(({ symbol }) => symbol === "sil")).toHaveLength(4);
    let end = 0;
    for (const phone of phones) {
      expect(phone.startSeconds).toBe(end);
      expect(phone.endSeconds - phone.startSeconds).toBeGreaterThan(0.02);
      end = phone.endSeconds;
    }
    expect(Math.abs(samples.length / 16_000 - end)).toBeLessThan(1e-4);
  });

  it("pauses between phrases for 200 to 500 ms", () => {
    const { phones } = say("One, two; three. Four! Five? Six");
    const pauses = phones.slice(1, -1).filter(({ symbol }) => symbol === "sil");
    expect(pauses).toHaveLength(5);
    for (const { startSeconds, endSeconds } of pauses) {
      expect(endSeconds - startSeconds).toBeGreaterThanOrEqual(0.2);
      expect(endSeconds - startSeconds).toBeLessThanOrEqual(0.5);
    }
  });

  it("fills exactly the length that is asked for, and repeats the text", () => {
    const once = symbols(say("A red boat.").phones);
    for (const seconds of [0.05, 0.7301, 4]) {
      const speech = synthesizeSpeech({ text: "A red boat.", voice: neutralVoice, seconds });
      expect(speech.samples).toHaveLength(Math.round(seconds * 16_000));
      expect(speech.phones.at(-1)?.endSeconds).toBe(seconds);
      const said = symbols(speech.phones);
      expect(said).toEqual(said.map((_, index) => once[index % once.length]));
    }
  });

  it("is finite and has its peak at 0.7", () => {
    for (const seed of [1, 2, 3]) {
      const voice = createVoice(seed);
      const { samples } = synthesizeSpeech({ text: createSentence(seed), voice, seed });
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      expect(peak).toBeCloseTo(0.7, 5);
    }
  });

  it("is quiet in pauses and closures and loud in vowels", () => {
    const speech = say("Father, a pop.");
    const level = (phone: Phone) => rms(middleOf(speech, phone));
    const loudest = Math.max(...phonesOf(speech, "AA").map(level));
    for (const pause of phonesOf(speech, "sil")) expect(level(pause)).toBeLessThan(loudest / 100);
    for (const phone of phonesOf(speech, "P")) {
      const closure = { ...phone, endSeconds: (phone.startSeconds + phone.endSeconds) / 2 };
      expect(level(closure)).toBeLessThan(loudest / 8);
    }
  });

  it.each([
    ["S", "see us say so", 3500, 0.9, 1],
    ["SH", "she should wash the shoe", 3500, 0.1, 0.8],
    ["SH", "she should wash the shoe", 2000, 0.85, 1],
    ["AA", "father", 3500, 0, 0.02],
    ["M", "my mother made more", 2000, 0, 0.05],
  ])("%s of %j has its energy where it belongs", (symbol, text, above, least, most) => {
    const speech = say(text);
    for (const phone of phonesOf(speech, symbol)) {
      const part = energyAbove(middleOf(speech, phone), above);
      expect(part).toBeGreaterThanOrEqual(least);
      expect(part).toBeLessThanOrEqual(most);
    }
  });

  it.each([
    ["IY", "cheese", 280, 2280],
    ["EH", "head", 550, 1830],
    ["AE", "hat", 670, 1720],
    ["AA", "hot", 730, 1100],
    ["ER", "shirt", 480, 1330],
  ])("%s has the formants of a man", (symbol, text, f1Hz, f2Hz) => {
    const speech = say(text);
    const phone = firstPhoneOf(speech, symbol);
    const [f1 = 0, f2 = 0] = formantsOf(middleOf(speech, phone));
    expect(Math.abs(f1 / f1Hz - 1)).toBeLessThan(0.2);
    expect(Math.abs(f2 / f2Hz - 1)).toBeLessThan(0.12);
  });

  it("raises the formants of a short vocal tract", () => {
    const voice = { ...neutralVoice, tractLength: 0.8 };
    const speech = synthesizeSpeech({ text: "hat", voice });
    const phone = firstPhoneOf(speech, "AE");
    const [, f2 = 0] = formantsOf(middleOf(speech, phone));
    expect(Math.abs(f2 / (1720 / 0.8) - 1)).toBeLessThan(0.12);
  });

  it.each(["", "  ...  ", "123 !", "\u3053\u3093"])("rejects %j: it has no letter", (text) => {
    expect(() => say(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument", hint: expect.any(String) }),
    );
  });

  it.each([0, -1, Number.NaN, 3601])("rejects %d seconds", (seconds) => {
    expect(() => synthesizeSpeech({ text: "a", voice: neutralVoice, seconds })).toThrow(
      /more than 0 and up to 3600/,
    );
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN])("rejects the seed %d", (seed) => {
    expect(() => say("a", seed)).toThrow(/seed is/);
    expect(() => createVoice(seed)).toThrow(/seed is/);
    expect(() => createSentence(seed)).toThrow(/seed is/);
  });
});

describe("createVoice", () => {
  it("gives voices that differ in pitch, as measured", () => {
    for (const seed of [0, 3, 6, 1_000_000, 1_000_007]) {
      const voice = createVoice(seed);
      const speech = synthesizeSpeech({ text: "The father saw the hot dog by the star.", voice });
      expect(Math.abs(Math.log2(pitchOf(speech) / voice.pitchHz))).toBeLessThan(0.4);
    }
  });

  it("covers men, women and children", () => {
    const voices = Array.from({ length: 300 }, (_, seed) => createVoice(seed));
    expect(createVoice(17)).toEqual(voices[17]);
    const pitches = voices.map(({ pitchHz }) => pitchHz);
    expect(Math.min(...pitches)).toBeGreaterThanOrEqual(80);
    expect(Math.min(...pitches)).toBeLessThan(90);
    expect(Math.max(...pitches)).toBeLessThanOrEqual(320);
    expect(Math.max(...pitches)).toBeGreaterThan(300);
    expect(new Set(pitches).size).toBe(300);
  });
});

describe("pronounce", () => {
  it.each([
    ["nation", "N EY SH AH N"],
    ["walked", "W AO K T"],
    ["running", "R AH N IH NG"],
    ["watches", "W AA CH AH Z"],
    ["stories", "S T AO R IY Z"],
    ["knight", "N AY T"],
    ["hoped", "HH OW P T"],
    ["graph", "G R AE F"],
    ["wade", "W EY D"],
    ["gold", "G OW L D"],
    ["sky", "S K AY"],
    ["tv", "T IY V IY"],
    ["4", "F AO R"],
  ])("says %s as %s", (word, sounds) => {
    expect(
      pronounce(word)
        .map(({ symbol }) => symbol)
        .join(" "),
    ).toBe(sounds);
  });

  it("has a vowel to say for any letters", () => {
    for (const word of ["e", "eee", "xyz", "hmm", "queue", "a'b", "rhythm", "zzz", "the", "ed"]) {
      expect(pronounce(word).some(({ symbol }) => /^[AEIOU]/.test(symbol))).toBe(true);
    }
  });
});
