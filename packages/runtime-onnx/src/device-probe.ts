/** Finds out whether a device computes, and rightly, by running models of one node on it. */
import {
  type GraphPrecision,
  graphPrecision,
  type GraphProfile,
  LatentSyncError,
  type Precision,
  type RuntimeCapabilities,
  type Tensor,
} from "@ls/core";
import { attendsRightly } from "./attention-probe.ts";
import { probeModel } from "./probe-model.ts";
import type { SessionHost } from "./session-host.ts";

const ONE = {
  float32: { dtype: "float32", dims: [1], data: Float32Array.of(1) },
  float16: { dtype: "float16", dims: [1], data: Uint16Array.of(0x3c00) },
} as const satisfies Readonly<Record<GraphPrecision, Tensor>>;

/** @returns what went wrong, or undefined if the device computes at this precision. */
async function tryPrecision<Options>(
  host: SessionHost<Options>,
  options: Options,
  precision: Precision,
): Promise<unknown> {
  const graph = graphPrecision(precision);
  try {
    const { id } = await host.create({ bytes: probeModel(graph) }, options);
    try {
      const one = ONE[graph];
      await host.run(id, { x: { ...one, data: one.data.slice() } }, ["y"]);
    } finally {
      await host.release(id);
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The part of a native message that tells people something. */
function essence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const known =
    /(Failed to get a WebGPU adapter|OrtSessionOptionsAppendExecutionProvider|no available backend|CUDA failure).*/u;
  return known.exec(text)?.[0] ?? text;
}

/**
 * Reduces what a runtime claims to what the device does.
 * @throws LatentSyncError `unsupported` with `hint` if it does nothing.
 */
export async function probeCapabilities<Options>(
  host: SessionHost<Options>,
  options: (precision: Precision) => Options,
  runtime: {
    readonly name: string;
    readonly capabilities: RuntimeCapabilities;
    readonly hint: string;
    /** For a device that computes fused attention wrongly. Default: attention is not tried. */
    readonly unfusedProfile?: GraphProfile | undefined;
  },
): Promise<RuntimeCapabilities> {
  const { name, capabilities, hint, unfusedProfile } = runtime;
  const working: Precision[] = [];
  let failure: unknown;
  for (const precision of capabilities.precisions) {
    const error = await tryPrecision(host, options(precision), precision);
    if (error === undefined) working.push(precision);
    else failure = error;
  }
  const [preferred, ...others] = working;
  if (preferred !== undefined) {
    const profile =
      unfusedProfile === undefined || (await attendsRightly(host, options("float32")))
        ? capabilities.profile
        : unfusedProfile;
    return { ...capabilities, profile, precisions: [preferred, ...others] };
  }
  throw new LatentSyncError(
    "unsupported",
    `The ${name} runtime is not available on ${process.platform}-${process.arch}: ${essence(failure)}`,
    { cause: failure, hint },
  );
}
