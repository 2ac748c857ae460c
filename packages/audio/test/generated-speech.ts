import { createSentence, createVoice, synthesizeSpeech } from "@ls/synthetic";

/** Speech of a voice and a sentence that the seed decides: `[seconds x 16000]` samples at 16 kHz. */
export function generateSpeech(seconds: number, seed: number): Float32Array {
  const voice = createVoice(seed);
  return synthesizeSpeech({ text: createSentence(seed), voice, seed, seconds }).samples;
}
