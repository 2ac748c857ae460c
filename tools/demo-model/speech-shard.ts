/** Windows of synthetic speech: log-mel, and the articulation and phones behind it at 50 Hz. */
import { join } from "node:path";
import { logMelSpectrogram, melBands } from "@ls/audio";
import {
  createSentence,
  createVoice,
  RandomNumbers,
  type SyntheticSpeech,
  synthesizeSpeech,
} from "@ls/synthetic";
import { readFloats, shardPath, writeNpy } from "./npy.ts";
import { SPEECH } from "./settings.ts";

const { melFrames, states, seconds, shortestSeconds, windowsPerShard } = SPEECH;
export const STATES_PER_SECOND: number = states / seconds;

function windowSpeech(window: number): SyntheticSpeech {
  const random = new RandomNumbers(window);
  // Half of the windows are full, as in long speech; the others end early, as its last one does.
  const length = random.chance(0.5) ? seconds : random.between(shortestSeconds, seconds);
  const sentences: string[] = [];
  for (let index = 0; index < 16; index++) sentences.push(createSentence(window * 16 + index));
  return synthesizeSpeech({
    text: sentences.join(" "),
    voice: createVoice(window),
    seed: window,
    seconds: Math.round(length * STATES_PER_SECOND) / STATES_PER_SECOND,
  });
}

/** A room's hiss, at 15 to 60 dB below the speech; some recordings have none. */
function withNoise(samples: Float32Array, random: RandomNumbers): Float32Array {
  const gain = 10 ** (random.between(-6, 0) / 20);
  const noise = random.chance(0.25) ? 0 : 0.1 * 10 ** (-random.between(15, 60) / 20);
  const colour = random.between(0, 0.95);
  let last = 0;
  return samples.map((sample) => {
    last = colour * last + (1 - colour) * random.between(-1, 1);
    return gain * (sample + noise * last * 3);
  });
}

type SpeechArray = "articulation" | "lengths" | "mel";

function arrayPath(folder: string, shard: number, name: SpeechArray): string {
  return shardPath(join(folder, "speech"), shard, name);
}

/** The file of a shard that is written last. */
export function speechShardPath(folder: string, shard: number): string {
  return arrayPath(folder, shard, "articulation");
}

export async function writeSpeechShard(folder: string, shard: number): Promise<void> {
  const mel = new Float32Array(windowsPerShard * melBands * melFrames);
  const articulation = new Float32Array(windowsPerShard * states * 4);
  const lengths = new Int32Array(windowsPerShard);
  for (let index = 0; index < windowsPerShard; index++) {
    const window = shard * windowsPerShard + index;
    const speech = windowSpeech(window);
    const spectrum = logMelSpectrogram(withNoise(speech.samples, new RandomNumbers(~window)));
    const frames = spectrum.length / melBands;
    for (let band = 0; band < melBands; band++) {
      const row = spectrum.subarray(band * frames, (band + 1) * frames);
      mel.set(row, (index * melBands + band) * melFrames);
    }
    lengths[index] = Math.floor(frames / 2);
    for (let state = 0; state < states; state++) {
      const { opening, spread, teeth, tongue } = speech.articulationAt(state / STATES_PER_SECOND);
      articulation.set([opening, spread, teeth, tongue], (index * states + state) * 4);
    }
  }
  const path = (name: SpeechArray): string => arrayPath(folder, shard, name);
  await writeNpy(path("mel"), mel, [windowsPerShard, melBands, melFrames]);
  await writeNpy(path("lengths"), lengths, [windowsPerShard]);
  await writeNpy(path("articulation"), articulation, [windowsPerShard, states, 4]);
}

/** What was articulated in every window, `[states, 4]` each, cut to its length. */
export async function readArticulations(folder: string): Promise<readonly Float32Array[]> {
  const windows: Float32Array[] = [];
  for (let shard = 0; shard < SPEECH.windows / windowsPerShard; shard++) {
    const values = await readFloats(arrayPath(folder, shard, "articulation"));
    const lengths = await readFloats(arrayPath(folder, shard, "lengths"));
    for (const [index, length] of new Int32Array(lengths.buffer).entries()) {
      const start = index * states * 4;
      windows.push(values.subarray(start, start + length * 4));
    }
  }
  return windows;
}
