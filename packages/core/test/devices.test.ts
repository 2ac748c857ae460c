import { FakeRuntime, FakeSegmentStore } from "@ls/testing";
import { describe, expect, it } from "vitest";
import type { LipSyncRequest } from "../src/latent-sync.ts";
import type { Runtime } from "../src/runtime.ts";
import { FakeAccelerator, runEngine, setUpEngine } from "./fake-accelerator.ts";

/** 26 frames in chunks of 4 faces, the last chunk shorter. */
const FRAMES = 26;
const FACELESS = [9];

async function write(
  runtime: Runtime | readonly [Runtime, ...Runtime[]],
  request: Partial<LipSyncRequest> = {},
) {
  const { load, sink, source } = setUpEngine({ frames: FRAMES, faceless: FACELESS, runtime });
  await using engine = await load();
  const events = await runEngine(engine, request);
  expect(source.openFrames).toBe(0);
  return { events, written: sink.written };
}

/** What one plain runtime writes. */
async function expected(request: Partial<LipSyncRequest> = {}) {
  return (await write(new FakeRuntime(), request)).written;
}

describe("an accelerator", () => {
  it("always has its next network waiting, until the last chunk has it for itself", async () => {
    const runtime = new FakeAccelerator();
    const { written } = await write(runtime);
    expect(written).toEqual(await expected());
    const model = runtime.runs.filter(({ graph }) => graph !== "whisper_encoder");
    // Each chunk begins with two of them: masked faces, and faces.
    const encodes = model.flatMap(({ graph }, run) => (graph === "vae_encoder" ? [run] : []));
    // While the first picture is encoded, the second chunk is still on its way.
    const between = model.slice(1, encodes.at(-2));
    expect(between.length).toBeGreaterThan(30);
    expect(between.filter(({ next }) => next === undefined)).toEqual([]);
  });

  it("is never given a third chunk while it has two", async () => {
    const runtime = new FakeAccelerator();
    let [begun, ended, most] = [0, 0, 0];
    runtime.fake.beforeRun = (graph) => {
      // Two of each chunk: masked faces, and faces.
      if (graph === "vae_encoder") begun += 0.5;
      if (graph === "vae_decoder") ended += 1;
      most = Math.max(most, begun - ended);
    };
    await write(runtime);
    expect(most).toBe(2);
  });

  it("holds few frames however long the video is", async () => {
    const { source, load } = setUpEngine({
      frames: 200,
      runtime: new FakeAccelerator({ runMs: 0 }),
    });
    await using engine = await load();
    await runEngine(engine, { inferenceSteps: 1 });
    expect(source.mostOpenFrames).toBeLessThan(56);
  });
});

describe("several chunks in a batch", () => {
  it.each([2, 3, 64])("of at most %d give the same frames", async (chunksPerBatch) => {
    const runtime = new FakeAccelerator({ device: "cpu", runMs: 0 });
    const { written } = await write(runtime, { chunksPerBatch });
    expect(written).toEqual(await expected());
  });

  it("are of equally many faces", async () => {
    const runtime = new FakeAccelerator({ device: "cpu", runMs: 0 });
    await write(runtime, { chunksPerBatch: 4, inferenceSteps: 1 });
    // 25 faces: 6 chunks of 4, and one of 1.
    expect(runtime.batches).toEqual([4, 2, 1]);
  });

  it("leave kept chunks out, and keep what they make", async () => {
    const request = { chunksPerBatch: 2, segments: new FakeSegmentStore() };
    const first = await write(new FakeRuntime(), request);
    const kept = new Map(request.segments.segments);
    expect([...kept.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (const chunk of [0, 1, 3, 6]) request.segments.segments.delete(chunk);
    const runtime = new FakeAccelerator({ device: "cpu", runMs: 0 });
    const second = await write(runtime, request);
    expect(second.written).toEqual(first.written);
    expect(request.segments.segments).toEqual(kept);
    expect(runtime.batches).toEqual([2, 2, 2, 1, 1, 1, 1, 1, 1]);
  });

  it("show every chunk's latents", async () => {
    const shapes: string[] = [];
    await write(new FakeRuntime(), {
      chunksPerBatch: 2,
      inferenceSteps: 1,
      onLatents: ({ chunk, latents }) => shapes.push(`${chunk}.${latents.length}`),
    });
    expect(shapes).toEqual(["0.64", "1.64", "2.64", "3.64", "4.64", "5.64", "6.16"]);
  });
});

describe("several devices", () => {
  it.each([
    ["two", [new FakeRuntime(), new FakeRuntime()]],
    ["a slow and a fast one", [new FakeAccelerator({ runMs: 5 }), new FakeAccelerator()]],
    ["three in batches", Array.from({ length: 3 }, () => new FakeAccelerator())],
  ] as const)("%s write the same frames as one", async (name, runtimes) => {
    const [first, ...others] = runtimes;
    if (first === undefined) throw new Error("There is no runtime.");
    const request = name.endsWith("batches") ? { chunksPerBatch: 2 } : {};
    const { written, events } = await write([first, ...others], request);
    expect(written).toEqual(await expected());
    expect(events[0]).toMatchObject({ type: "plan", plan: { devices: runtimes.length } });
    for (const runtime of runtimes) {
      const runs = runtime instanceof FakeRuntime ? runtime.runs : runtime.fake.runs;
      expect(runs).toContain("vae_decoder");
      const open = runtime instanceof FakeRuntime ? runtime : runtime.fake;
      expect(open.openSessions).toBe(0);
    }
  });

  it("draw the same random numbers in the same order as one", async () => {
    const draw = async (runtimes: readonly [Runtime, ...Runtime[]]): Promise<number[]> => {
      const sizes: number[] = [];
      const random = {
        randn(size: number) {
          sizes.push(size);
          return new Float32Array(size);
        },
      };
      await write(runtimes, { random });
      return sizes;
    };
    const one = await draw([new FakeRuntime()]);
    expect(one[0]).toBe(16);
    expect(await draw([new FakeAccelerator(), new FakeAccelerator()])).toEqual(one);
  });

  it("end the run when one of them fails, and can run again", async () => {
    const broken = new FakeAccelerator();
    const sound = new FakeAccelerator();
    const { load, sink, source } = setUpEngine({ frames: 100, runtime: [sound, broken] });
    await using engine = await load();
    const failure = new Error("the second device is lost");
    let [running, atFailure] = [0, 0];
    broken.fake.beforeRun = (graph) => {
      running += 1;
      if (!graph.startsWith("unet")) return;
      atFailure = sound.runs.length;
      throw failure;
    };
    await expect(runEngine(engine)).rejects.toBe(failure);
    expect(running).toBeGreaterThan(0);
    // The other one ends the network that it is at, and no more.
    expect(sound.runs.length - atFailure).toBeLessThanOrEqual(2);
    expect(sink.discarded).toBe(true);
    expect(source.openFrames).toBe(0);
    expect(source.openReaders).toBe(0);
    const runs = sound.runs.length;
    broken.fake.beforeRun = () => undefined;
    expect((await runEngine(engine)).at(-1)).toMatchObject({ type: "done" });
    expect(sound.runs.length).toBeGreaterThan(runs);
  });

  it("end the run when the networks cannot be opened on one of them", async () => {
    const broken = new FakeRuntime();
    broken.createSession = async () => {
      throw new Error("out of memory");
    };
    const { load, source } = setUpEngine({
      frames: 100,
      runtime: [new FakeAccelerator(), broken],
    });
    await using engine = await load();
    await expect(runEngine(engine)).rejects.toThrow("out of memory");
    expect(source.openFrames).toBe(0);
  });

  it("stop within one network when the run is aborted, and leave nothing behind", async () => {
    const runtimes = [new FakeAccelerator(), new FakeAccelerator()] as const;
    const { load, source, sink } = setUpEngine({ frames: 200, runtime: runtimes });
    const stop = new AbortController();
    let unets = 0;
    let runsAtStop = 0;
    for (const { fake } of runtimes) {
      fake.beforeRun = (graph) => {
        if (!graph.startsWith("unet") || ++unets !== 5) return;
        runsAtStop = runtimes.reduce((sum, { runs }) => sum + runs.length, 0);
        stop.abort(new Error("enough"));
      };
    }
    {
      await using engine = await load();
      await expect(runEngine(engine, { signal: stop.signal })).rejects.toThrow("enough");
      const runs = runtimes.reduce((sum, accelerator) => sum + accelerator.runs.length, 0);
      expect(runs - runsAtStop).toBeLessThanOrEqual(runtimes.length);
      expect(source.openFrames).toBe(0);
      expect(sink.discarded).toBe(true);
    }
    expect(runtimes.map(({ fake }) => fake.openSessions)).toEqual([0, 0]);
  });

  it("stop when a frame cannot be written, without waiting for chunks that are in the model", async () => {
    const runtime = new FakeAccelerator();
    const { load, sink, source } = setUpEngine({ frames: 400, runtime });
    const failure = new Error("the disk is full");
    const create = sink.create.bind(sink);
    let runsAtFailure = 0;
    sink.create = async (options) => {
      const writer = await create(options);
      return Object.assign(writer, {
        write: async () => {
          runsAtFailure = runtime.runs.length;
          throw failure;
        },
      });
    };
    await using engine = await load();
    await expect(runEngine(engine)).rejects.toBe(failure);
    expect(runtime.runs.length - runsAtFailure).toBeLessThanOrEqual(2);
    expect(source.openFrames).toBe(0);
  });

  it("must be of one kind", async () => {
    const other = new FakeAccelerator();
    Object.assign(other, { capabilities: { ...other.capabilities, profile: "cuda" } });
    const { load } = setUpEngine({ runtime: [new FakeRuntime(), other] });
    await expect(load()).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringContaining("of one kind") as unknown,
    });
  });
});
