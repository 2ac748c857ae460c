/**
 * Whisper's states where its windows meet. A state that depends on its surroundings is best in the
 * middle of a window: such a window is the reference.
 */
import { createSpeechEncoder, decodeSpeech, logMelSpectrogram, type WindowLayout } from "@ls/audio";
import { float32, type Session } from "@ls/core";
import { demoModelFolder } from "@ls/demo-model";
import { openModel } from "@ls/models";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { record } from "./figures.ts";
import { samplesOf } from "./samples.ts";

const MEL_BANDS = 80;
const WINDOW_MEL_FRAMES = 3000;
const WINDOW_STATES = 1500;
/** The second official window begins with this state, at 30 s. */
const BORDER = 1500;
/** A frame holds ten states, of which the fifth and sixth are of its own time. */
const OWN_STATE = 4;

async function* sound(): AsyncGenerator<Float32Array> {
  yield* decodeSpeech(reference("media/demo2_audio.wav"));
  yield* decodeSpeech(reference("media/demo3_audio.wav"));
}

/** Every state of the sound, `[layers, width]` each. */
async function statesOf(whisper: Session, windows: WindowLayout): Promise<Float32Array[]> {
  const encoder = createSpeechEncoder({ source: sound, windows });
  await using speech = await encoder.open("demo 2 and demo 3, joined", whisper);
  const size = speech.elementsPerFrame / 10;
  const states: Float32Array[] = [];
  for await (const { features } of speech.frames()) {
    for (const place of [OWN_STATE, OWN_STATE + 1]) {
      states.push(features.slice(place * size, (place + 1) * size));
    }
  }
  return states;
}

/** States of a window that has `middle` in its middle; behind the sound are zeros. */
class CentredWindow {
  readonly #states: Float32Array;
  readonly #first: number;
  readonly #size: number;

  constructor(states: Float32Array, first: number) {
    this.#states = states;
    this.#first = first;
    this.#size = states.length / WINDOW_STATES;
  }

  static async encode(whisper: Session, mel: Float32Array, middle: number): Promise<CentredWindow> {
    const first = middle - WINDOW_STATES / 2;
    const frames = mel.length / MEL_BANDS;
    const window = new Float32Array(MEL_BANDS * WINDOW_MEL_FRAMES);
    for (let band = 0; band < MEL_BANDS; band++) {
      const row = mel.subarray(band * frames, (band + 1) * frames);
      const cut = row.subarray(2 * first, 2 * first + WINDOW_MEL_FRAMES);
      window.set(cut, band * WINDOW_MEL_FRAMES);
    }
    const feeds = { mel: float32([1, MEL_BANDS, WINDOW_MEL_FRAMES], window) };
    const { embeddings } = await whisper.run(feeds);
    return new CentredWindow(embeddings?.data as Float32Array, first);
  }

  at(state: number): Float32Array {
    const start = (state - this.#first) * this.#size;
    return this.#states.subarray(start, start + this.#size);
  }
}

/** Distance, without the embedding, which tells the place in the window. */
function distance(a: Float32Array, b: Float32Array, width: number): number {
  let sum = 0;
  for (let index = width; index < a.length; index++) {
    sum += ((a[index] as number) - (b[index] as number)) ** 2;
  }
  return Math.sqrt(sum);
}

interface Glitch {
  /** Largest step from a state to the next one near a time, in steps of the centred window. */
  readonly step: number;
  /** Distance from the centred window near that time, in units of its states' length. */
  readonly distance: number;
}

function glitchAt(
  states: readonly Float32Array[],
  centred: CentredWindow,
  { middle, reach, width }: { middle: number; reach: number; width: number },
): Glitch {
  let step = 0;
  let far = 0;
  let length = 0;
  for (let state = middle - reach; state < middle + reach; state++) {
    const [own, next] = [states[state], states[state + 1]];
    if (own === undefined || next === undefined) continue;
    const usual = distance(centred.at(state), centred.at(state + 1), width);
    step = Math.max(step, distance(own, next, width) / usual);
    far += distance(own, centred.at(state), width);
    length += distance(centred.at(state), new Float32Array(own.length), width);
  }
  return { step: Number(step.toFixed(2)), distance: Number((far / length).toFixed(3)) };
}

describe.skipIf(!hasReference)(referenceTitle("Whisper's windows"), () => {
  it.each([
    ["the small model's", () => demoModelFolder(), true],
    ["random weights", () => reference("model"), false],
  ])("have no glitch at 30 s: %s", async (name, folder, isTrained) => {
    await using model = await openModel(folder());
    await using runtime = await createOnnxRuntime({ device: "cpu" });
    const request = { kind: "whisper_encoder", profile: "cpu", precision: "float32" } as const;
    await using whisper = await runtime.createSession(await model.graph(request));
    const mel = logMelSpectrogram(await samplesOf(sound()));
    const width = model.info.crossAttentionWidth;
    const official = await statesOf(whisper, "official");
    const overlapped = await statesOf(whisper, "overlapped");
    expect(overlapped).toHaveLength(official.length);
    const atBorder = await CentredWindow.encode(whisper, mel, BORDER);
    const near = { middle: BORDER, reach: 5, width };
    const before = glitchAt(official, atBorder, near);
    const after = glitchAt(overlapped, atBorder, near);
    // Two windows of 38.4 s meet in the middle of what they share.
    const middle = mel.length / MEL_BANDS / 4;
    const atHandover = await CentredWindow.encode(whisper, mel, middle);
    const handover = glitchAt(overlapped, atHandover, { middle, reach: 30, width });
    // With random weights a state is another one in every window, and the way from it is longer.
    const most = isTrained ? 1.2 : 1.5;
    const passed = after.step < 1.2 && handover.step < most && before.step > 1.5 * after.step;
    await record({
      row: 30,
      input: `demo 2 and demo 3 joined, 38 s; Whisper with ${name}`,
      what: "states across 30 s change as in a window that has 30 s in its middle",
      figures: {
        officialStep: before.step,
        step: after.step,
        handoverStep: handover.step,
        officialDistance: before.distance,
        distance: after.distance,
        isTrained,
      },
      passed,
    });
    expect({ before, after, handover, passed }).toMatchObject({ passed: true });
  });
});
