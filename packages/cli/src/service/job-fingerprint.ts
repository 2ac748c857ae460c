/** What tells the segments of one job from those of others. */
import { availableParallelism } from "node:os";
import { resolveFootage, type SamplingSettings } from "@ls/core";
import type { SegmentFingerprint } from "@ls/models";
import type { EngineDescription, EngineRequest } from "@ls/server";
import type { EngineOptions } from "./engine-options.ts";

export interface JobIdentity {
  readonly request: Pick<EngineRequest, "footage" | "seed">;
  readonly sampling: SamplingSettings;
  readonly options: EngineOptions;
  readonly description: Pick<EngineDescription, "software" | "runtime">;
  /** SHA-256 of the model's and the inputs' files. */
  readonly hashes: { readonly model: string; readonly video: string; readonly audio: string };
}

/** Everything that latents depend on, to the bit: other hardware and threads add in another order. */
export function jobFingerprint(job: JobIdentity): SegmentFingerprint {
  const { request, options, hashes } = job;
  const { software, runtime } = job.description;
  const { guidanceInterval, ...sampling } = job.sampling;
  const { faceDetector = "mediapipe", faceModel = "", threads = availableParallelism() } = options;
  return {
    ...hashes,
    version: software.version,
    runtime: runtime.name,
    hardware: runtime.hardware,
    precision: runtime.precision,
    ...{ threads, faceDetector, faceModel },
    ...sampling,
    guidanceInterval: guidanceInterval.join(),
    footage: JSON.stringify(resolveFootage(request.footage)),
    seed: request.seed,
  };
}
