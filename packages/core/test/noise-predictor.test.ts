import { describe, expect, it } from "vitest";
import {
  DeepCacheNoisePredictor,
  ExactNoisePredictor,
  type NoisePrediction,
  type NoiseQuestion,
  type StepPredictor,
  type UNetSessions,
} from "../src/diffusion/noise-predictor.ts";
import type { Session } from "../src/runtime.ts";
import { float32, type Tensor } from "../src/tensor.ts";

const FRAMES = 2;
const PLANE = 4;
const signal = new AbortController().signal;

/** What a session was asked, in short. */
type Log = string[];

/**
 * A UNet of one number per video: the sum of its audio, plus its deep feature if it is given one. Deep
 * features of a video are its audio times 100.
 */
function fakeSession(name: string, log: Log, doubling: boolean): Session {
  const run = async (feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> => {
    const { sample, encoder_hidden_states: audio, deep_features: deep } = feeds;
    const videos = sample!.dims[0]!;
    const size = audio!.data.length / videos;
    const sums = Array.from({ length: videos }, (_, video) =>
      (audio!.data as Float32Array)
        .subarray(video * size, (video + 1) * size)
        .reduce((sum, value) => sum + value, 0),
    );
    const answers = doubling ? [...sums.map(() => 0), ...sums] : sums;
    log.push(`${name} ${videos}`);
    const features = answers.map((value, index) =>
      deep === undefined ? 100 * value : Number(deep.data[index]),
    );
    if (deep !== undefined) expect(deep.dims).toEqual([answers.length, 1]);
    const noise = answers.flatMap((value, index) =>
      Array.from({ length: 4 * FRAMES * PLANE }, () => value + features[index]!),
    );
    return {
      noise_pred: float32([answers.length, 4, FRAMES, 2, 2], Float32Array.from(noise)),
      deep_features: float32([answers.length, 1], Float32Array.from(features)),
    };
  };
  return { inputs: [], outputs: [], run, [Symbol.asyncDispose]: async () => undefined };
}

const network = (name: string, log: Log, kinds: readonly (keyof UNetSessions)[]): UNetSessions =>
  Object.fromEntries(
    kinds.map((kind) => [kind, fakeSession(`${name} ${kind}`, log, kind === "guided")]),
  );

/** A question about one video per level of audio. */
function question(levels: readonly number[], guided: boolean): NoiseQuestion {
  const videos = levels.length;
  return {
    timestep: 1,
    sample: float32([videos, 13, FRAMES, 2, 2], new Float32Array(videos * 13 * FRAMES * PLANE)),
    audio: float32(
      [videos * FRAMES, 1, 1],
      Float32Array.from(levels.flatMap((level) => Array.from({ length: FRAMES }, () => level))),
    ),
    guided,
    signal,
  };
}

/** First numbers of every video. */
function firsts({ conditional, unconditional }: NoisePrediction): unknown {
  const size = 4 * FRAMES * PLANE;
  const pick = (noise: Float32Array): number[] =>
    Array.from({ length: noise.length / size }, (_, video) => noise[video * size]!);
  return {
    conditional: pick(conditional),
    ...(unconditional === undefined ? {} : { unconditional: pick(unconditional) }),
  };
}

describe.each([["plain"], ["guided"], ["plain", "guided"]] as const)(
  "ExactNoisePredictor with %s %s",
  (...kinds) => {
    const open = (log: Log): StepPredictor =>
      new ExactNoisePredictor(network("unet", log, kinds)).start();

    it("answers for silence and speech of every chunk", async () => {
      const log: Log = [];
      const answer = await open(log).predict(question([1, 3], true));
      expect(firsts(answer)).toEqual({ unconditional: [0, 0], conditional: [202, 606] });
      const shares = kinds.some((kind) => kind === "guided");
      expect(log).toEqual([shares ? "unet guided 2" : "unet plain 4"]);
    });
  },
);

describe("ExactNoisePredictor", () => {
  it("runs a step without guidance for speech alone", async () => {
    const log: Log = [];
    const predictor = new ExactNoisePredictor(network("unet", log, ["plain", "guided"]));
    const answer = await predictor.start().predict(question([1, 3], false));
    expect(firsts(answer)).toEqual({ conditional: [202, 606] });
    expect(log).toEqual(["unet plain 2"]);
  });

  it("says what to open when a step needs the other graph", async () => {
    const predictor = new ExactNoisePredictor(network("unet", [], ["guided"])).start();
    await expect(predictor.predict(question([1], false))).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("without guidance"),
    });
  });
});

describe("DeepCacheNoisePredictor", () => {
  const open = (
    log: Log,
    interval: number,
    kinds: readonly (keyof UNetSessions)[],
  ): DeepCacheNoisePredictor =>
    new DeepCacheNoisePredictor({
      full: network("full", log, kinds),
      shallow: network("shallow", log, kinds),
      interval,
    });

  it.each([
    [2, "fsfsfsfs"],
    [3, "fssfssfs"],
    [5, "fssssfss"],
  ])("at interval %d runs %s", async (interval, expected) => {
    const log: Log = [];
    const predictor = open(log, interval, ["guided"]).start();
    for (let step = 0; step < expected.length; step++) {
      // The first full step's features stay until the next.
      await predictor.predict(question([step + 1], true));
    }
    expect(log.map((entry) => entry[0]).join("")).toBe(expected);
  });

  it("keeps what it remembers apart for chunks that are denoised at the same time", async () => {
    const predictor = open([], 2, ["guided"]);
    const [first, second] = [predictor.start(), predictor.start()];
    await first.predict(question([1], true));
    await second.predict(question([5], true));
    expect(firsts(await first.predict(question([2], true)))).toEqual({
      unconditional: [0],
      conditional: [4 + 200],
    });
    expect(firsts(await second.predict(question([2], true)))).toEqual({
      unconditional: [0],
      conditional: [4 + 1000],
    });
  });

  it("reuses the speech's part when guidance ends, and runs a full step when it begins", async () => {
    const log: Log = [];
    const predictor = open(log, 4, ["plain"]).start();
    const answers: unknown[] = [];
    for (const guided of [true, false, true, false, false, true]) {
      answers.push(firsts(await predictor.predict(question([1, 3], guided))));
    }
    expect(log).toEqual([
      "full plain 4",
      "shallow plain 2",
      "shallow plain 4",
      "shallow plain 2",
      // The fifth step is a full one; it has nothing for silence, which the sixth needs.
      "full plain 2",
      "full plain 4",
    ]);
    const both = { unconditional: [0, 0], conditional: [202, 606] };
    const speech = { conditional: [202, 606] };
    expect(answers).toEqual([both, speech, both, speech, speech, both]);
  });

  it.each([1, 0, 2.5, Number.NaN])("refuses an interval of %d", (interval) => {
    expect(() => open([], interval, ["plain"])).toThrow(
      /interval must be an integer of at least 2/,
    );
  });
});
