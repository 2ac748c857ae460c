import { LatentSyncError } from "../errors.ts";
import type { LatentSyncModel } from "../model.ts";
import type { MemoryInfo, Precision, Runtime } from "../runtime.ts";
import type { Tracer } from "../trace.ts";
import type { Device } from "./lanes.ts";
import { planRun, type PlanOptions, type RunPlan } from "./memory-plan.ts";
import { Networks } from "./networks.ts";
import { TracedRuntime } from "./traced-runtime.ts";

interface TracedDevice extends Device {
  readonly runtime: TracedRuntime;
}

/** What one run asks of the devices. */
export type LoadRequest = Pick<PlanOptions, "use" | "video" | "chunksPerBatch" | "unchecked">;

/** The devices of an engine, all of one kind, and a model on them. */
export class DeviceGroup implements AsyncDisposable {
  readonly devices: readonly [TracedDevice, ...TracedDevice[]];
  readonly precision: Precision;
  readonly #model: LatentSyncModel;
  readonly #hostMemory: () => Promise<MemoryInfo | undefined>;
  /** What a former run took is still taken, and serves the next one. */
  #taken = { hostBytes: 0, deviceBytes: 0 };

  /** @throws LatentSyncError `invalid_argument` for devices that differ, or lack the precision. */
  constructor(options: {
    readonly model: LatentSyncModel;
    readonly runtimes: readonly [Runtime, ...Runtime[]];
    readonly precision: Precision | undefined;
    readonly hostMemory: () => Promise<MemoryInfo | undefined>;
  }) {
    const { model, runtimes, hostMemory } = options;
    const precision = options.precision ?? runtimes[0].capabilities.precisions[0];
    checkRuntimes(runtimes, precision);
    const device = (runtime: Runtime, name: string): TracedDevice => {
      const traced = new TracedRuntime(runtime, name);
      return {
        name,
        runtime: traced,
        networks: new Networks({ model, runtime: traced, precision }),
      };
    };
    const [first, ...others] = runtimes;
    this.devices = [
      device(first, others.length === 0 ? first.name : `${first.name} 0`),
      ...others.map((runtime, index) => device(runtime, `${runtime.name} ${index + 1}`)),
    ];
    this.#model = model;
    this.precision = precision;
    this.#hostMemory = hostMemory;
  }

  /** @throws LatentSyncError `exhausted` if it cannot fit. */
  async plan(request: LoadRequest): Promise<RunPlan> {
    const { hostBytes, deviceBytes } = this.#taken;
    const host = await this.#hostMemory();
    const accelerators = await Promise.all(this.devices.map(({ runtime }) => runtime.memory()));
    const free = accelerators.flatMap((memory) => memory?.freeBytes ?? []);
    return planRun({
      ...request,
      info: this.#model.info,
      device: this.devices[0].runtime.capabilities.device,
      devices: this.devices.length,
      precision: this.precision,
      hostAvailableBytes: host === undefined ? undefined : host.freeBytes + hostBytes,
      deviceAvailableBytes: free.length === 0 ? undefined : Math.min(...free) + deviceBytes,
    });
  }

  /** A run of this plan has ended well: the networks that it opened stay open. */
  keep({ hostMemory, deviceMemory }: RunPlan): void {
    this.#taken = {
      hostBytes: Math.max(this.#taken.hostBytes, hostMemory?.neededBytes ?? 0),
      deviceBytes: Math.max(this.#taken.deviceBytes, deviceMemory?.neededBytes ?? 0),
    };
  }

  /** Records what the devices do, until the result is disposed. */
  record(tracer: Tracer | undefined): Disposable {
    const recordings = this.devices.map(({ runtime }) => runtime.record(tracer));
    return {
      [Symbol.dispose]: () => {
        for (const recording of recordings) recording[Symbol.dispose]();
      },
    };
  }

  /** Closes the networks; the runtimes stay their owner's. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.devices.map(({ networks }) => networks[Symbol.asyncDispose]()));
  }
}

function checkRuntimes(runtimes: readonly [Runtime, ...Runtime[]], precision: Precision): void {
  const { profile } = runtimes[0].capabilities;
  for (const { name, capabilities } of runtimes) {
    if (!capabilities.precisions.includes(precision)) {
      throw new LatentSyncError(
        "invalid_argument",
        `The runtime ${name} does not compute in ${precision}, only in ${capabilities.precisions.join(" and ")}.`,
        { hint: "Choose one of these, or leave the precision to the runtime." },
      );
    }
    if (capabilities.profile === profile) continue;
    throw new LatentSyncError(
      "invalid_argument",
      `The runtimes of an engine must be of one kind, but ${runtimes[0].name} takes graphs for ${profile} and ${name} for ${capabilities.profile}.`,
      { hint: "Frames of one video would differ: use an engine for each." },
    );
  }
}
