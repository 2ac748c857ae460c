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
import { segmentStoreConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import { LatentSync, type LipSyncRequest } from "../src/latent-sync.ts";
import type { LipSyncEvent } from "../src/pipeline/events.ts";
import { ProgressClock } from "../src/pipeline/progress-clock.ts";
import type { SegmentStore } from "../src/segments.ts";

segmentStoreConformance("FakeSegmentStore", {
  create: async () => {
    const store = new FakeSegmentStore();
    return { open: async () => store, [Symbol.asyncDispose]: async () => undefined };
  },
});

const STEPS = 3;
/** Frame 6 has no face, so that chunks of 4 faces are not chunks of 4 frames. */
const FACELESS = [6];
const FRAMES = 18;
/** 17 faces in chunks of 4. */
const CHUNKS = 5;

interface Run {
  readonly events: readonly LipSyncEvent[];
  readonly sink: FakeVideoSink;
  readonly runtime: FakeRuntime;
  /** What stopped it. */
  readonly error: unknown;
}

/** A run of an engine of its own, as a new process makes it. */
async function run(
  request: Partial<LipSyncRequest>,
  beforeRun: (graph: string, runs: readonly string[]) => void = () => undefined,
): Promise<Run> {
  const runtime = new FakeRuntime();
  runtime.beforeRun = (graph) => beforeRun(graph, runtime.runs);
  const sink = new FakeVideoSink();
  await using engine = await LatentSync.load({
    model: new FakeModel(),
    runtime,
    source: new FakeVideoSource(FRAMES),
    sink,
    detector: new FakeFaceDetector(FACELESS),
    speech: new FakeSpeechEncoder(FRAMES),
    aligner: new FakeFaceAligner(),
  });
  const events: LipSyncEvent[] = [];
  const whole = {
    video: "in.mp4",
    audio: "in.wav",
    followFaces: false,
    output: "out.mp4",
    inferenceSteps: STEPS,
    ...request,
  };
  try {
    for await (const event of engine.run(whole)) events.push(event);
    return { events, sink, runtime, error: undefined };
  } catch (error) {
    return { events, sink, runtime, error };
  }
}

/** Stops in the middle of chunk `chunk`. */
async function runUntil(chunk: number, request: Partial<LipSyncRequest>): Promise<Run> {
  const stop = new AbortController();
  return run({ ...request, signal: stop.signal }, (graph, runs) => {
    const done = runs.filter((name) => name.startsWith("unet")).length;
    if (graph.startsWith("unet") && done === chunk * STEPS + 1) stop.abort(new Error("stopped"));
  });
}

function count(runtime: FakeRuntime, graph: string): number {
  return runtime.runs.filter((name) => name === graph).length;
}

describe("a run that was stopped", () => {
  it.each([
    ["at once", 0, {}],
    ["after a chunk", 1, {}],
    ["after three chunks", 3, {}],
    ["in the last chunk", CHUNKS - 1, {}],
    ["with DeepCache and guidance", 2, { deepCacheInterval: 3, guidanceScale: 2.5 }],
  ])("%s gives the same frames when it is continued", async (_, chunk, settings) => {
    const expected = await run(settings);
    expect(expected.error).toBeUndefined();
    const segments = new FakeSegmentStore();
    const request = { ...settings, segments };
    const stopped = await runUntil(chunk, request);
    expect(stopped.error).toMatchObject({ message: "stopped" });
    expect([...segments.segments.keys()]).toEqual(Array.from({ length: chunk }, (_x, i) => i));
    const continued = await run(request);
    expect(continued.error).toBeUndefined();
    expect(continued.sink.written).toEqual(expected.sink.written);
  });

  it("denoises and encodes only what is missing", async () => {
    const segments = new FakeSegmentStore();
    await runUntil(3, { segments });
    const { runtime } = await run({ segments });
    expect(count(runtime, "unet_guided")).toBe((CHUNKS - 3) * STEPS);
    // Two pictures of each of the 5 faces in the last two chunks, one by one on a CPU.
    expect(count(runtime, "vae_encoder")).toBe(10);
    expect(count(runtime, "vae_decoder")).toBe(17);
  });

  it("computes nothing when all is there, and one chunk when one is lost", async () => {
    const segments = new FakeSegmentStore();
    const first = await run({ segments });
    const second = await run({ segments });
    expect(count(second.runtime, "unet_guided")).toBe(0);
    expect(second.sink.written).toEqual(first.sink.written);
    const kept = segments.segments.get(2);
    segments.segments.delete(2);
    const third = await run({ segments });
    expect(count(third.runtime, "unet_guided")).toBe(STEPS);
    expect(third.sink.written).toEqual(first.sink.written);
    expect(segments.segments.get(2)).toEqual(kept);
  });

  it("draws the same random numbers as a run that was not stopped", async () => {
    const segments = new FakeSegmentStore();
    const draws = async (store?: SegmentStore): Promise<readonly number[]> => {
      const sizes: number[] = [];
      const random = {
        randn(size: number) {
          sizes.push(size);
          return new Float32Array(size);
        },
      };
      await run({ random, ...(store === undefined ? {} : { segments: store }) });
      return sizes;
    };
    await runUntil(3, { segments });
    const [kept, expected] = [await draws(segments), await draws()];
    // One tile of noise; then twice 16 numbers a face, chunk by chunk.
    expect(expected).toEqual([16, 64, 64, 64, 64, 64, 64, 64, 64, 16, 16]);
    expect(kept).toEqual(expected);
  });

  it("tells which chunks were restored, and counts them as done", async () => {
    const segments = new FakeSegmentStore();
    await runUntil(CHUNKS - 1, { segments });
    segments.segments.delete(1);
    const seen: string[] = [];
    let latest = "";
    const { events } = await run({ segments, onLatents: ({ chunk }) => seen.push(`${chunk}`) });
    for (const event of events) if (event.type === "step") latest = `${event.chunk}.${event.step}`;
    expect(seen).toEqual(["1", "1", "1", "4", "4", "4"]);
    expect(latest).toBe(`${CHUNKS - 1}.${STEPS}`);
    const all = await run({ segments });
    const last = all.events.findLast((event) => event.type === "step");
    expect(last).toMatchObject({ chunk: CHUNKS - 1, step: STEPS, steps: STEPS, restored: true });
    expect(all.events.findLast((event) => event.type === "chunk")).toMatchObject({
      restored: true,
    });
  });
});

describe("a segment store", () => {
  it.each([8, 128])("with %d numbers for 64 is of another request", async (length) => {
    const segments = new FakeSegmentStore();
    segments.segments.set(1, new Float32Array(length));
    const { error, sink } = await run({ segments });
    expect(error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining(`${length} numbers for chunk 1`) as unknown,
    });
    expect(sink.discarded).toBe(true);
  });

  it.each(["read", "write"] as const)("that cannot %s ends the run", async (method) => {
    const failure = new Error("The disk is full.");
    const segments: SegmentStore = Object.assign(new FakeSegmentStore(), {
      [method]: () => Promise.reject(failure),
    });
    const { error, sink } = await run({ segments });
    expect(error).toBe(failure);
    expect(sink.discarded).toBe(true);
  });
});

describe("the clock", () => {
  const chunk = { type: "chunk", chunk: 0, chunks: 4 } as const;
  const step = { type: "step", chunk: 0, chunks: 4, step: 1, steps: 10 } as const;
  const restoredStep = { ...step, step: 10, restored: true } as const;

  it("says nothing of the time that is left while chunks are only restored", () => {
    const clock = new ProgressClock();
    clock.totalSteps = 40;
    clock.stamp({ ...chunk, restored: true });
    expect(clock.stamp(restoredStep).remainingSeconds).toBeUndefined();
  });

  it("expects no time for restored steps, and learns no speed from them", () => {
    const clock = new ProgressClock();
    clock.totalSteps = 40;
    for (let index = 0; index < 2; index++) clock.stamp(restoredStep);
    const start = performance.now();
    clock.stamp(chunk);
    while (performance.now() - start < 20);
    const { remainingSeconds } = clock.stamp(step);
    const elapsed = (performance.now() - start) / 1000;
    // 19 steps of 20 ms or more are left: not 39, and not at a third of the time each.
    expect(remainingSeconds).toBeGreaterThan(0.37);
    expect(remainingSeconds).toBeLessThanOrEqual(elapsed * 19 + 0.001);
    clock.stamp(restoredStep);
    expect(clock.stamp(step).remainingSeconds).toBeLessThan(
      ((performance.now() - start) / 1000) * 5,
    );
  });
});
