import { FAKE_MODEL_INFO, FakeModel, FakeSegmentStore } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { type PlanOptions, planRun } from "../src/pipeline/memory-plan.ts";
import { FakeAccelerator, runEngine, setUpEngine } from "./fake-accelerator.ts";

/** LatentSync 1.5: UNet, VAE and Whisper of the published sizes. */
const INFO = {
  ...FAKE_MODEL_INFO,
  resolution: 256,
  framesPerChunk: 16,
  vaeScaleFactor: 8,
  audioTokens: 50,
  crossAttentionWidth: 384,
  size: {
    parameters: {
      whisper_encoder: 8_208_384,
      vae_encoder: 34_163_664,
      vae_decoder: 49_490_199,
      unet: 1_267_944_644,
    },
    unetWidth: 320,
    vaeWidth: 128,
  },
};

const GB = 1e9;

function plan(options: Partial<PlanOptions> = {}) {
  return planRun({
    info: INFO,
    device: "gpu",
    devices: 1,
    precision: "float16",
    use: { guidance: "all" },
    video: { width: 1920, height: 1080, framesPerSecond: 25 },
    chunksPerBatch: undefined,
    hostAvailableBytes: undefined,
    deviceAvailableBytes: undefined,
    unchecked: false,
    ...options,
  });
}

describe("the memory plan", () => {
  it("takes one chunk at a time on a CPU, and one image", () => {
    expect(
      plan({ device: "cpu", precision: "float32", hostAvailableBytes: 64 * GB }),
    ).toMatchObject({
      chunksPerBatch: 1,
      batchesInFlight: 1,
      batchesPrepared: 0,
      imagesPerRun: 1,
      deviceMemory: undefined,
    });
  });

  it("grows with chunks, devices, the video's size, and shrinks with half precision", () => {
    const host = (options: Partial<PlanOptions>): number =>
      plan({ device: "cpu", precision: "float32", ...options }).hostMemory?.neededBytes ?? 0;
    const one = host({});
    expect(host({ chunksPerBatch: 2 })).toBeGreaterThan(one + GB);
    expect(host({ devices: 2 })).toBeGreaterThan(one * 1.8);
    expect(host({ use: { guidance: "none" } })).toBeLessThan(one - GB);
    expect(host({ video: { width: 3840, height: 2160, framesPerSecond: 25 } })).toBeGreaterThan(
      one + GB,
    );
    expect(host({ info: { ...INFO, resolution: 512 } })).toBeGreaterThan(one + 5 * GB);
    const device = (precision: PlanOptions["precision"]): number =>
      plan({ precision }).deviceMemory?.neededBytes ?? 0;
    expect(device("float16")).toBeLessThan(0.6 * device("float32"));
  });

  it("makes the load smaller until it fits", () => {
    const at = (available: number) => plan({ deviceAvailableBytes: available });
    const most = plan({ deviceAvailableBytes: 80 * GB });
    expect(most).toMatchObject({ chunksPerBatch: 2, batchesInFlight: 2, imagesPerRun: 16 });
    const loads = new Set<string>();
    for (let available = 80 * GB; ; available -= 0.1 * GB) {
      try {
        const { chunksPerBatch, batchesInFlight, imagesPerRun, deviceMemory } = at(available);
        expect(deviceMemory?.neededBytes).toBeLessThanOrEqual(available);
        loads.add(`${chunksPerBatch} ${batchesInFlight} ${imagesPerRun}`);
      } catch {
        break;
      }
    }
    expect([...loads]).toEqual(["2 2 16", "1 2 16", "1 2 4", "1 2 1"]);
  });

  it("refuses what does not fit, and says how much is missing and what to do", () => {
    expect(() => plan({ deviceAvailableBytes: 2 * GB })).toThrow(
      expect.objectContaining({
        code: "exhausted",
        message: expect.stringMatching(
          /^fake does not fit into memory: it needs about \d+\.\d GB, but has 2\.0 GB of the accelerator's\.$/,
        ) as unknown,
        hint: expect.stringContaining("a lower resolution") as unknown,
      }),
    );
    expect(() => plan({ device: "cpu", precision: "float32", hostAvailableBytes: 4 * GB })).toThrow(
      /of this machine's memory/,
    );
    expect(plan({ deviceAvailableBytes: 2 * GB, unchecked: true })).toMatchObject({
      chunksPerBatch: 2,
    });
  });

  it("says nothing of models whose size is not known, and takes one chunk where memory is not", () => {
    const { hostMemory, deviceMemory } = plan({ info: FAKE_MODEL_INFO, deviceAvailableBytes: 1 });
    expect([hostMemory, deviceMemory]).toEqual([undefined, undefined]);
    expect(plan()).toMatchObject({ chunksPerBatch: 1 });
    expect(plan({ chunksPerBatch: 8, deviceAvailableBytes: 80 * GB })).toMatchObject({
      chunksPerBatch: 8,
    });
  });
});

describe("a run that does not fit", () => {
  const model = Object.assign(new FakeModel(), {
    info: { ...FAKE_MODEL_INFO, size: INFO.size },
  });
  const memory = { totalBytes: 8 * GB, freeBytes: 2 * GB };

  it("is refused before anything is loaded", async () => {
    const runtime = new FakeAccelerator({ memory });
    const { load, source } = setUpEngine({ model, runtime });
    await using engine = await load();
    await expect(runEngine(engine)).rejects.toMatchObject({ code: "exhausted" });
    expect(runtime.runs).toEqual([]);
    expect(source.openReaders).toBe(0);
    const events = await runEngine(engine, { checkMemory: false });
    expect(events[0]).toMatchObject({
      type: "plan",
      plan: { deviceMemory: { availableBytes: 2 * GB } },
    });
  });

  it("takes one chunk at a time where it may go on later, unless it is said otherwise", async () => {
    const plenty = { totalBytes: 80 * GB, freeBytes: 80 * GB };
    const { load } = setUpEngine({ model, runtime: new FakeAccelerator({ memory: plenty }) });
    await using engine = await load();
    const chunks = async (request: Parameters<typeof runEngine>[1]): Promise<unknown> => {
      const [first] = await runEngine(engine, { inferenceSteps: 1, ...request });
      return first?.type === "plan" ? first.plan.chunksPerBatch : undefined;
    };
    const segments = (): FakeSegmentStore => new FakeSegmentStore();
    expect(await chunks({})).toBe(2);
    expect(await chunks({ segments: segments() })).toBe(1);
    expect(await chunks({ segments: segments(), chunksPerBatch: 3 })).toBe(3);
  });

  it("counts as its own what a former run has taken", async () => {
    let freeBytes = 20 * GB;
    const { load } = setUpEngine({
      model,
      hostMemory: async () => ({ totalBytes: 20 * GB, freeBytes }),
    });
    await using engine = await load();
    await runEngine(engine);
    freeBytes = 1 * GB;
    expect((await runEngine(engine)).at(-1)).toMatchObject({ type: "done" });
  });
});
