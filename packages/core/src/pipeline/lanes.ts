import { LanePool } from "./lane-pool.ts";
import { Lane, type LaneSettings } from "./lane.ts";
import type { RunPlan } from "./memory-plan.ts";
import type { Networks, UNetUse } from "./networks.ts";

/** A device of an engine, with the networks that are open on it. */
export interface Device {
  /** In events and traces. */
  readonly name: string;
  readonly networks: Networks;
}

export interface OpenLanesOptions {
  readonly devices: readonly [Device, ...Device[]];
  readonly settings: LaneSettings;
  readonly use: UNetUse;
  readonly plan: RunPlan;
  /** Called when the first device is ready. */
  readonly onReady: () => void;
  readonly signal: AbortSignal;
}

/**
 * Opens the networks on every device; each begins as soon as it is ready. The networks belong to the
 * engine: disposing the result ends the opening of those that are not open yet, so that the engine's
 * next run never waits for an attempt that ends with this run's abort.
 */
export function openLanes(options: OpenLanesOptions): { lanes: LanePool } & AsyncDisposable {
  const { devices, settings, use, plan, onReady } = options;
  const lanes = new LanePool();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const open = async ({ name, networks }: Device): Promise<void> => {
    try {
      const vae = await networks.vae(plan.imagesPerRun, signal);
      const predictor = await networks.noisePredictor(use, signal);
      lanes.add(new Lane(name, { vae, predictor }, settings), plan.batchesInFlight);
    } catch (error) {
      stop.abort(error);
      lanes.fail(error);
    }
  };
  const openAll = async (): Promise<void> => {
    const [first, ...others] = devices;
    // Alone, so that graphs that must be built first are built once.
    await open(first);
    if (signal.aborted) return;
    onReady();
    await Promise.all(others.map(open));
  };
  const opening = openAll();
  return {
    lanes,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await opening;
    },
  };
}
