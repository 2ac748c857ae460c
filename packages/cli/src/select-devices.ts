import { availableParallelism } from "node:os";
import { LatentSyncError, type Resources, type Runtime } from "@ls/core";
import { listCudaDevices } from "@ls/runtime-cuda";
import { type RuntimeChoice, selectRuntime } from "./select-runtime.ts";

/** Numbers of GPUs, from 0, or all that there are. */
export type DeviceNumbers = readonly number[] | "all";

export interface DeviceChoice extends RuntimeChoice {
  /** One runtime for each of them. Default: one runtime. */
  readonly devices?: DeviceNumbers | undefined;
}

/** Runtimes that have GPUs to choose from, or a CPU that can be divided. */
const WITH_NUMBERS: ReadonlySet<string> = new Set(["cuda", "tensorrt", "openvino", "cpu"]);

/**
 * A runtime for every device, among `resources`.
 * @throws LatentSyncError `invalid_argument` for devices of a runtime that has none to choose from.
 */
export async function selectDevices(
  choice: DeviceChoice,
  resources: Resources,
): Promise<[Runtime, ...Runtime[]]> {
  const { devices, threads } = choice;
  if (devices === undefined) return [await selectRuntime(choice, resources)];
  const [first = 0, ...others] = devices === "all" ? listCudaDevices() : devices;
  const count = 1 + others.length;
  // On a CPU each gets its part of the cores, or they would be in each other's way.
  const share = threads ?? Math.max(1, Math.floor(availableParallelism() / count));
  const select = async (deviceId: number): Promise<Runtime> =>
    selectRuntime({ ...choice, deviceId, threads: count === 1 ? threads : share }, resources);
  const runtime = await select(first);
  if (!WITH_NUMBERS.has(runtime.name) || typeof choice.runtime === "object") {
    throw new LatentSyncError(
      "invalid_argument",
      `Devices cannot be chosen for the runtime ${runtime.name}.`,
      { hint: `Leave the devices out, or use ${[...WITH_NUMBERS].join(", ")}.` },
    );
  }
  const runtimes: [Runtime, ...Runtime[]] = [runtime];
  for (const deviceId of others) runtimes.push(await select(deviceId));
  return runtimes;
}
