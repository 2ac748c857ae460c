import { setTimeout as sleep } from "node:timers/promises";
import {
  FAKE_MODEL_INFO,
  FakeFaceAligner,
  FakeFaceDetector,
  FakeModel,
  FakeRuntime,
  FakeSpeechEncoder,
  FakeVideoSink,
  FakeVideoSource,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import { LatentSyncError } from "../src/errors.ts";
import type { Face } from "../src/face.ts";
import type { Point } from "../src/image.ts";
import { LatentSync, type LipSyncRequest } from "../src/latent-sync.ts";
import type { LipSyncEvent } from "../src/pipeline/events.ts";
import type { Precision } from "../src/runtime.ts";

const REQUEST: LipSyncRequest = {
  video: "in.mp4",
  audio: "in.wav",
  output: "out.mp4",
  inferenceSteps: 3,
};

interface SetupOptions {
  readonly videoFrames?: number;
  readonly speechFrames?: number;
  readonly faceless?: readonly number[];
}

function setUp({ videoFrames = 10, speechFrames = 10, faceless = [] }: SetupOptions = {}) {
  const runtime = new FakeRuntime();
  const source = new FakeVideoSource(videoFrames);
  const sink = new FakeVideoSink();
  const detector = new FakeFaceDetector(faceless);
  const load = (): Promise<LatentSync> =>
    LatentSync.load({
      model: new FakeModel(),
      runtime,
      source,
      sink,
      detector,
      speech: new FakeSpeechEncoder(speechFrames),
      aligner: new FakeFaceAligner(),
    });
  return { runtime, source, sink, detector, load };
}

async function run(
  engine: LatentSync,
  request: Partial<LipSyncRequest> = {},
): Promise<LipSyncEvent[]> {
  const events: LipSyncEvent[] = [];
  for await (const event of engine.run({ ...REQUEST, ...request })) events.push(event);
  return events;
}

describe("LatentSync", () => {
  it("writes every frame once, in order, with a patch", async () => {
    const { sink, source, load } = setUp();
    await using engine = await load();
    const events = await run(engine);
    expect(sink.written.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sink.written.every(({ patch }) => patch !== undefined)).toBe(true);
    expect(sink.finished).toBe(true);
    expect(source.openFrames).toBe(0);
    expect(source.openReaders).toBe(0);
    expect(events.at(-1)).toMatchObject({
      type: "done",
      result: { output: "out.mp4", frames: 10, framesWithoutFace: 0 },
    });
  });

  it("gives every frame the mouth of its own speech", async () => {
    const { sink, load } = setUp({ videoFrames: 3, speechFrames: 9 });
    await using engine = await load();
    await run(engine, { guidanceScale: 1 });
    const mouths = sink.written.map(({ patch }) => patch as number);
    // The fake UNet finds more noise the later the frame; DDIM takes it away.
    expect(mouths).toEqual(mouths.toSorted((a, b) => b - a));
    expect(new Set(mouths).size).toBeGreaterThan(3);
  });

  it("plays a short video forward and back, and looks for each face once", async () => {
    const { sink, detector, load } = setUp({ videoFrames: 4, speechFrames: 11 });
    await using engine = await load();
    await run(engine);
    expect(sink.written.map(({ index }) => index)).toEqual([0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2]);
    expect(detector.asked).toEqual([0, 1, 2, 3]);
  });

  it("cuts a long video to the speech", async () => {
    const { sink, load } = setUp({ videoFrames: 100, speechFrames: 6 });
    await using engine = await load();
    await run(engine);
    expect(sink.written).toHaveLength(6);
  });

  it("holds few frames however long the video is", async () => {
    const { source, load } = setUp({ videoFrames: 400, speechFrames: 1000 });
    await using engine = await load();
    await run(engine, { inferenceSteps: 1 });
    expect(source.mostOpenFrames).toBeLessThan(64);
    expect(source.openFrames).toBe(0);
  });

  it("passes frames without a face through, in their place", async () => {
    const { sink, load } = setUp({ faceless: [0, 3, 4, 9] });
    await using engine = await load();
    const events = await run(engine, { followFaces: false });
    const untouched = sink.written.flatMap(({ index, patch }) =>
      patch === undefined ? [index] : [],
    );
    expect(untouched).toEqual([0, 3, 4, 9]);
    expect(sink.written.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(events.at(-1)).toMatchObject({ result: { framesWithoutFace: 4 } });
  });

  it("takes a detection that no transform fits for a frame without a face", async () => {
    const detector = new FakeFaceDetector();
    const found = detector.detect.bind(detector);
    detector.detect = async (image, frameIndex) => {
      const [face] = (await found(image, frameIndex)) as [Face];
      const nowhere: Point = [Number.NaN, Number.NaN];
      return [frameIndex === 2 ? { ...face, points: [nowhere, nowhere, nowhere] } : face];
    };
    const { sink, load } = setUp();
    await using engine = await load();
    await run(engine, { detector, followFaces: false });
    expect(
      sink.written.flatMap(({ index, patch }) => (patch === undefined ? [index] : [])),
    ).toEqual([2]);
    await expect(
      run(engine, { detector, followFaces: false, framesWithoutFace: "fail" }),
    ).rejects.toThrow(/No face .* frame 2/);
  });

  it("fails at the first frame without a face when told to", async () => {
    const { sink, source, load } = setUp({ faceless: [5] });
    await using engine = await load();
    await expect(run(engine, { followFaces: false, framesWithoutFace: "fail" })).rejects.toThrow(
      /No face .* frame 5/,
    );
    expect(sink.discarded).toBe(true);
    expect(source.openFrames).toBe(0);
  });

  it("fails when no frame has a face, and leaves no output", async () => {
    const { sink, load } = setUp({
      videoFrames: 30,
      faceless: Array.from({ length: 30 }, (_, i) => i),
    });
    await using engine = await load();
    await expect(run(engine)).rejects.toMatchObject({ code: "no_face" });
    expect(sink.discarded).toBe(true);
  });

  it("fails on a video without frames", async () => {
    const { load } = setUp({ videoFrames: 0 });
    await using engine = await load();
    await expect(run(engine)).rejects.toMatchObject({ code: "invalid_media" });
  });

  it("reports steps in order, and time that is left", async () => {
    const { load } = setUp({ speechFrames: 8 });
    await using engine = await load();
    const events = await run(engine);
    const last = events.findLast((event) => event.type === "step");
    expect(last).toMatchObject({ chunk: 1, chunks: 2, step: 3, steps: 3 });
    expect(last?.remainingSeconds).toBe(0);
    expect(events.filter(({ type }) => type === "done")).toHaveLength(1);
  });

  it("shows the latents of every step to whoever asks", async () => {
    const { load } = setUp({ speechFrames: 5 });
    await using engine = await load();
    const seen: string[] = [];
    await run(engine, {
      onLatents: ({ chunk, step, latents }) => seen.push(`${chunk}.${step}.${latents.length}`),
    });
    expect(seen).toEqual(["0.0.64", "0.1.64", "0.2.64", "1.0.16", "1.1.16", "1.2.16"]);
  });

  it.each([
    [1.5, 1, { unet_guided: 3 }],
    [1, 1, { unet: 3 }],
    [1.5, 3, { unet_deepcache_full_guided: 1, unet_deepcache_shallow_guided: 2 }],
  ])(
    "at guidance %d and DeepCache %i runs %o per chunk",
    async (guidanceScale, deepCacheInterval, expected) => {
      const { runtime, load } = setUp({ speechFrames: 4 });
      await using engine = await load();
      await run(engine, { guidanceScale, deepCacheInterval });
      const counts = Object.fromEntries(
        Object.keys(expected).map((graph) => [
          graph,
          runtime.runs.filter((name) => name === graph).length,
        ]),
      );
      expect(counts).toEqual(expected);
      expect(runtime.runs.filter((name) => name.startsWith("unet"))).toHaveLength(3);
    },
  );

  it("is repeatable by seed, and a seed makes a difference", async () => {
    const outputs = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const { sink, load } = setUp();
        await using engine = await load();
        await run(engine, { seed });
        return sink.written.map(({ patch }) => patch);
      }),
    );
    expect(outputs[1]).toEqual(outputs[0]);
    expect(outputs[2]).not.toEqual(outputs[0]);
  });
});

describe("stopping", () => {
  it("aborts within one step and releases everything", async () => {
    const { runtime, source, sink, load } = setUp();
    await using engine = await load();
    const controller = new AbortController();
    let unetRuns = 0;
    runtime.beforeRun = (graph) => {
      if (graph === "unet_guided" && ++unetRuns === 2) controller.abort(new Error("enough"));
    };
    await expect(run(engine, { signal: controller.signal })).rejects.toThrow("enough");
    expect(unetRuns).toBe(2);
    expect(sink.discarded).toBe(true);
    expect(source.openFrames).toBe(0);
    expect(source.openReaders).toBe(0);
  });

  it("does nothing when it is aborted before it starts", async () => {
    const { source, load } = setUp();
    await using engine = await load();
    await expect(run(engine, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
    expect(source.mostOpenFrames).toBe(0);
  });

  it("ends the run when its consumer leaves the loop", async () => {
    const { source, sink, load } = setUp({ speechFrames: 100 });
    await using engine = await load();
    for await (const event of engine.run(REQUEST)) if (event.type === "step") break;
    expect(sink.discarded).toBe(true);
    expect(source.openFrames).toBe(0);
    await run(engine);
    expect(sink.written.length).toBeGreaterThanOrEqual(100);
  });

  it("passes a failure of a part on, and can run again", async () => {
    const { runtime, source, load } = setUp();
    await using engine = await load();
    let failing = true;
    runtime.beforeRun = (graph) => {
      if (failing && graph === "vae_decoder")
        throw new LatentSyncError("runtime", "the device is lost");
    };
    await expect(run(engine)).rejects.toThrow("the device is lost");
    expect(source.openFrames).toBe(0);
    failing = false;
    expect((await run(engine)).at(-1)).toMatchObject({ type: "done" });
  });

  it("closes its sessions, waits for runs, and refuses new ones when disposed", async () => {
    const { runtime, load } = setUp();
    const engine = await load();
    const running = run(engine);
    const disposing = engine[Symbol.asyncDispose]();
    await expect(running)
      .resolves.toBeDefined()
      .catch(() => undefined);
    await disposing;
    expect(runtime.openSessions).toBe(0);
    await expect(run(engine)).rejects.toMatchObject({ code: "disposed" });
  });

  it("runs of one engine follow one another", async () => {
    const { sink, load } = setUp();
    await using engine = await load();
    await Promise.all([run(engine), run(engine)]);
    const once = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(sink.written.map(({ index }) => index)).toEqual([...once, ...once]);
  });
});

describe("a run that waits for another", () => {
  it("gives up at once when it is aborted, and lets nobody overtake the one before it", async () => {
    const { runtime, sink, load } = setUp();
    await using engine = await load();
    const gone = new AbortController();
    const order: string[] = [];
    let waiting: Promise<unknown> = Promise.resolve();
    let third: Promise<unknown> = Promise.resolve();
    let started = false;
    runtime.beforeRun = (graph) => {
      if (graph !== "unet_guided" || started) return;
      started = true;
      waiting = run(engine, { signal: gone.signal }).catch(() => order.push("second gave up"));
      third = run(engine).then(() => order.push("third"));
      gone.abort(new Error("gone"));
    };
    await run(engine);
    order.push("first");
    await Promise.all([waiting, third]);
    expect(order).toEqual(["second gave up", "first", "third"]);
    const once = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(sink.written.map(({ index }) => index)).toEqual([...once, ...once]);
  });

  it("does not fail with the abort of the run that was opening the networks", async () => {
    const { runtime, load } = setUp();
    await using engine = await load();
    const stop = new AbortController();
    const open = runtime.createSession.bind(runtime);
    const opening: AbortSignal[] = [];
    runtime.createSession = async (graph, { signal }: { signal?: AbortSignal } = {}) => {
      if (opening.length === 1 && signal !== undefined) {
        opening.push(signal);
        stop.abort(new Error("stopped"));
        // As a native library that notices an abort late.
        await sleep(20);
        signal.throwIfAborted();
      }
      if (signal !== undefined) opening.push(signal);
      return open(graph);
    };
    const stopped = run(engine, { signal: stop.signal });
    const next = run(engine);
    await expect(stopped).rejects.toThrow("stopped");
    expect((await next).at(-1)).toMatchObject({ type: "done" });
  });

  it("stops opening networks when a run fails before it needs them", async () => {
    const { runtime, load } = setUp({ videoFrames: 0 });
    await using engine = await load();
    const open = runtime.createSession.bind(runtime);
    const signals: AbortSignal[] = [];
    runtime.createSession = async (graph, { signal }: { signal?: AbortSignal } = {}) => {
      if (signal === undefined) throw new Error("A session was opened without a signal.");
      signals.push(signal);
      if (signals.length > 1) {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        });
      }
      return open(graph);
    };
    await expect(run(engine)).rejects.toMatchObject({ code: "invalid_media" });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });
});

describe("wrong settings", () => {
  it.each([
    [{ inferenceSteps: 0 }, /inferenceSteps must be an integer from 1 to 1000/],
    [{ inferenceSteps: 2.5 }, /inferenceSteps/],
    [{ guidanceScale: Number.NaN }, /guidanceScale must be a number from 0 to 20/],
    [{ guidanceScale: -1 }, /guidanceScale/],
    [{ seed: 0.5 }, /seed must be an integer/],
    [{ output: "in.mp4" }, /is also the video input/],
    [{ output: "in.wav" }, /is also the audio input/],
  ])("%o", async (request, message) => {
    const { sink, load } = setUp();
    await using engine = await load();
    await expect(run(engine, request)).rejects.toThrow(message);
    expect(sink.written).toHaveLength(0);
  });

  it("refuses parts that do not fit", async () => {
    const { runtime, source, sink, detector } = setUp();
    const parts = {
      model: new FakeModel(),
      runtime,
      source,
      sink,
      detector,
      speech: new FakeSpeechEncoder(1),
      aligner: new FakeFaceAligner(),
    };
    const larger = Object.assign(new FakeModel(), {
      info: { ...FAKE_MODEL_INFO, resolution: 512 },
    });
    await expect(LatentSync.load({ ...parts, model: larger })).rejects.toThrow(
      /aligner works at 16/,
    );
    const precision: Precision = "float16";
    await expect(LatentSync.load({ ...parts, precision })).rejects.toThrow(
      /does not compute in float16/,
    );
  });
});
