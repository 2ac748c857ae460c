import type { Tensor } from "@ls/core";
import { useSoftwareVulkan } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { attendsRightly } from "../src/attention-probe.ts";
import { createOnnxRuntime, probeDevices } from "../src/index.ts";
import type { NativeSessionOptions, Tensors } from "../src/messages.ts";
import { OrtHost } from "../src/ort-host.ts";

const OPTIONS: NativeSessionOptions = {
  executionProviders: [{ name: "cpu" }],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
  graphOptimizationLevel: "all",
  extra: {},
  enableMemPattern: false,
  logSeverityLevel: 4,
};

/** A host whose device changes results, or fails. */
class Changed extends OrtHost {
  readonly #change: (y: Tensor) => Tensor;

  constructor(change: (y: Tensor) => Tensor) {
    super();
    this.#change = change;
  }

  override async run(id: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors> {
    const { y } = await super.run(id, feeds, outputs);
    if (y === undefined) throw new Error("There is no y.");
    return { y: this.#change(y) };
  }
}

async function verdict(change: (y: Tensor) => Tensor): Promise<boolean> {
  const host = new Changed(change);
  await host.open();
  try {
    return await attendsRightly(host, OPTIONS);
  } finally {
    await host.close();
  }
}

describe("fused attention", () => {
  it("is right on the CPU", async () => {
    expect(await verdict((y) => y)).toBe(true);
  });

  it.each<[string, (y: Tensor) => Tensor]>([
    ["one number is off", (y) => ((y.data[700] = Number(y.data[700]) + 0.01), y)],
    ["one number is none", (y) => ((y.data[3] = Number.NaN), y)],
    ["it ends early", (y) => ({ ...y, data: y.data.slice(0, 760) })],
  ])("is wrong where %s", async (_what, change) => {
    expect(await verdict(change)).toBe(false);
  });

  it("is wrong where it cannot be run", async () => {
    const fails = (): never => {
      throw new Error("Device lost");
    };
    expect(await verdict(fails)).toBe(false);
  });
});

useSoftwareVulkan();
const reason = (await probeDevices()).find(({ device }) => device === "webgpu")?.reason;
const title = "webgpu's profile";

describe.skipIf(reason !== undefined)(
  reason === undefined ? title : `${title} (skipped: ${reason})`,
  () => {
    it("has fused attention exactly where the device computes it rightly", async () => {
      const host = new OrtHost();
      await host.open();
      try {
        const webgpu = { ...OPTIONS, executionProviders: [{ name: "webgpu" }] };
        const isRight = await attendsRightly(host, webgpu);
        await using runtime = await createOnnxRuntime({ device: "webgpu" });
        expect(runtime.capabilities.profile).toBe(isRight ? "webgpu" : "tensorrt");
      } finally {
        await host.close();
      }
    });
  },
);
