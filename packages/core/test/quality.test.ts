import {
  FakeFaceAligner,
  FakeFaceDetector,
  FakeModel,
  FakeRuntime,
  FakeSegmentStore,
  FakeSpeechEncoder,
  FakeVideoSink,
  FakeVideoSource,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import { guidanceUse, isGuided, type StepInterval } from "../src/diffusion/guidance.ts";
import { LatentSync } from "../src/latent-sync.ts";
import {
  QUALITIES,
  QUALITY_PRESETS,
  resolveSampling,
  type SamplingOptions,
} from "../src/quality.ts";
import type { Session } from "../src/runtime.ts";
import type { SegmentStore } from "../src/segments.ts";

/** What the official script does without options. */
const OFFICIAL = {
  scheduler: "ddim",
  inferenceSteps: 20,
  guidanceScale: 1.5,
  guidanceInterval: [0, 1],
  deepCacheInterval: 1,
};

/** Counts the UNet's forwards, one for each chunk and branch: a guided step of a chunk has two. */
class CountingRuntime extends FakeRuntime {
  full = 0;
  shallow = 0;

  override async createSession(
    graph: Parameters<FakeRuntime["createSession"]>[0],
  ): Promise<Session> {
    const session = await super.createSession(graph);
    return {
      ...session,
      run: async (feeds, options) => {
        const outputs = await session.run(feeds, options);
        const branches = outputs["noise_pred"]?.dims[0] ?? 0;
        if (feeds["deep_features"] === undefined) this.full += branches;
        else this.shallow += branches;
        return outputs;
      },
    };
  }
}

interface Result {
  readonly full: number;
  readonly shallow: number;
  readonly written: FakeVideoSink["written"];
  readonly steps: number;
}

/** A run of 8 frames, two chunks. */
async function run(options: SamplingOptions, segments?: SegmentStore): Promise<Result> {
  const runtime = new CountingRuntime();
  const sink = new FakeVideoSink();
  await using engine = await LatentSync.load({
    model: new FakeModel(),
    runtime,
    source: new FakeVideoSource(8),
    sink,
    detector: new FakeFaceDetector(),
    speech: new FakeSpeechEncoder(8),
    aligner: new FakeFaceAligner(),
  });
  let steps = 0;
  const request = { video: "in.mp4", audio: "in.wav", output: "out.mp4", ...options };
  for await (const event of engine.run({ ...request, ...(segments && { segments }) })) {
    if (event.type === "step") steps = event.steps;
  }
  return { full: runtime.full, shallow: runtime.shallow, written: sink.written, steps };
}

describe("a quality", () => {
  it("is the official pipeline's if none is asked for", () => {
    expect(resolveSampling({})).toEqual(OFFICIAL);
    expect(resolveSampling({ quality: "exact" })).toEqual(OFFICIAL);
  });

  it.each(QUALITIES)(
    "%s sets what its preset names, and single settings come before",
    (quality) => {
      expect(resolveSampling({ quality })).toEqual({ ...OFFICIAL, ...QUALITY_PRESETS[quality] });
      const single: SamplingOptions = {
        scheduler: "unipc",
        inferenceSteps: 7,
        guidanceScale: 2.5,
        guidanceInterval: [0.1, 0.6],
        deepCacheInterval: 4,
      };
      expect(resolveSampling({ quality, ...single })).toEqual(single);
      expect(resolveSampling({ quality, guidanceScale: 2 })).toEqual({
        ...OFFICIAL,
        ...QUALITY_PRESETS[quality],
        guidanceScale: 2,
      });
    },
  );

  it.each<[SamplingOptions, RegExp]>([
    [
      { quality: "best" as never },
      /quality must be one of exact, balanced, fast, preview, but is "best"/,
    ],
    [{ scheduler: "euler" as never }, /scheduler must be one of ddim, dpmsolver\+\+, unipc/],
    [{ guidanceScale: Number.NaN }, /guidanceScale must be a number from 0 to 20, but is NaN/],
    [{ guidanceScale: 21 }, /guidanceScale .* is 21/],
    [{ guidanceInterval: [0.5, 0.5] }, /guidanceInterval must be two numbers .* is \[0.5, 0.5\]/],
    [{ guidanceInterval: [-0.1, 1] }, /guidanceInterval/],
    [{ guidanceInterval: [0, 1.1] }, /guidanceInterval/],
    [{ guidanceInterval: [0, Number.NaN] }, /guidanceInterval/],
    [{ guidanceInterval: [0] as never }, /guidanceInterval/],
    [{ deepCacheInterval: 0 }, /deepCacheInterval must be an integer from 1, but is 0/],
    [{ deepCacheInterval: 1.5 }, /deepCacheInterval/],
    [{ inferenceSteps: 0 }, /inferenceSteps must be an integer from 1 to 1000/],
    [{ scheduler: "unipc", inferenceSteps: 999 }, /999 inference steps do not fit/],
  ])("refuses %o", async (options, message) => {
    const refused = expect(run(options)).rejects;
    await refused.toThrow(message);
    await refused.toMatchObject({ code: "invalid_argument", hint: expect.any(String) as unknown });
  });

  it("does less work than the one before it", async () => {
    const work: number[] = [];
    for (const quality of QUALITIES) {
      const { full, shallow } = await run({ quality });
      work.push(full + 0.15 * shallow);
    }
    expect(work[0]).toBe(2 * 20 * 2);
    expect(work).toEqual(work.toSorted((a, b) => b - a));
    expect(new Set(work).size).toBe(work.length);
  });
});

describe("guidance in a part of the steps", () => {
  it.each<[StepInterval, number, string]>([
    [[0, 1], 4, "####"],
    [[0.25, 0.75], 20, ".....##########....."],
    [[0.5, 1], 5, "..###"],
    [[0, 0.5], 5, "##..."],
    [[0.2, 0.3], 3, "..."],
    [[0.4, 0.6], 1, "#"],
  ])("%j of %i steps is %s", (interval, steps, expected) => {
    const guidance = { scale: 1.5, interval };
    const found = Array.from(expected, (_, index) =>
      isGuided(guidance, index, steps) ? "#" : ".",
    );
    expect(found.join("")).toBe(expected);
    const use = expected.includes("#") ? (expected.includes(".") ? "some" : "all") : "none";
    expect(guidanceUse(guidance, steps)).toBe(use);
  });

  it("is none at a scale of 1", () => {
    expect(guidanceUse({ scale: 1, interval: [0, 1] }, 10)).toBe("none");
  });

  it.each<[SamplingOptions, number, number]>([
    [{}, 40, 0],
    [{ guidanceScale: 1 }, 20, 0],
    [{ guidanceInterval: [0.25, 0.75] }, 30, 0],
    [{ guidanceInterval: [0.01, 0.02] }, 20, 0],
    [{ deepCacheInterval: 2 }, 20, 20],
    [{ deepCacheInterval: 5 }, 8, 32],
    [{ deepCacheInterval: 50 }, 2, 38],
    [{ guidanceScale: 1, deepCacheInterval: 3 }, 7, 13],
    // The fifth step is the first that is guided, and has no deep features of silence to reuse.
    [{ inferenceSteps: 8, guidanceInterval: [0.5, 1], deepCacheInterval: 4 }, 1 + 2, 3 + 6],
    [{ inferenceSteps: 8, guidanceInterval: [0, 0.5], deepCacheInterval: 8 }, 2, 6 + 4],
    [{ inferenceSteps: 8, guidanceInterval: [0.5, 1], deepCacheInterval: 8 }, 1 + 2, 3 + 6],
    [{ scheduler: "dpmsolver++", inferenceSteps: 10 }, 20, 0],
    [{ scheduler: "unipc", inferenceSteps: 5, guidanceScale: 1 }, 5, 0],
  ])("%o takes %i whole and %i shallow forwards a chunk", async (options, full, shallow) => {
    const result = await run(options);
    expect({ full: result.full, shallow: result.shallow }).toEqual({
      full: 2 * full,
      shallow: 2 * shallow,
    });
  });

  it("gives another result than guidance in all of them", async () => {
    const everywhere = await run({ inferenceSteps: 4, guidanceScale: 3 });
    const inPart = await run({ inferenceSteps: 4, guidanceScale: 3, guidanceInterval: [0, 0.5] });
    const nowhere = await run({ inferenceSteps: 4, guidanceScale: 1 });
    expect(inPart.written).not.toEqual(everywhere.written);
    expect(inPart.written).not.toEqual(nowhere.written);
  });
});

describe.each(["dpmsolver++", "unipc"] as const)("a run with %s", (scheduler) => {
  it("begins anew with every chunk: a restored chunk changes nothing in the next", async () => {
    const options: SamplingOptions = { scheduler, inferenceSteps: 4, deepCacheInterval: 2 };
    const segments = new FakeSegmentStore();
    const expected = await run(options, segments);
    expect(expected.steps).toBe(4);
    segments.segments.delete(1);
    const continued = await run(options, segments);
    expect(continued.full).toBe(expected.full / 2);
    expect(continued.written).toEqual(expected.written);
  });
});
