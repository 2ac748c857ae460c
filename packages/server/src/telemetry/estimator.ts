/** What a job will take and cost, judged by the jobs that this process has completed. */
import type { JobRequest } from "../jobs/job-request.ts";
import type { JobManifest } from "../jobs/job.ts";
import { costDollars, estimateSeconds, updateRate, type MeasuredRate } from "./cost.ts";

type RequestedSteps = Pick<JobRequest, "inference_steps">;

export interface JobEstimator {
  /** Takes in a completed job; one that had no frames teaches nothing. */
  learn(
    request: RequestedSteps,
    manifest: Pick<JobManifest, "frames">,
    processingSeconds: number,
  ): void;
  /** Of processing, without the wait; `undefined` before the first completed job. */
  estimate(
    request: RequestedSteps,
  ): { readonly seconds: number; readonly dollars?: number } | undefined;
  /** For the manifest of a job that has just been completed; `undefined` without a price. */
  cost(job: { readonly request: RequestedSteps }, processingSeconds: number): JobManifest["cost"];
}

export function createJobEstimator(
  options: { readonly dollarsPerHour?: number } = {},
): JobEstimator {
  return new AverageEstimator(options.dollarsPerHour);
}

class AverageEstimator implements JobEstimator {
  readonly #dollarsPerHour: number | undefined;
  #rate: MeasuredRate | undefined;

  constructor(dollarsPerHour: number | undefined) {
    this.#dollarsPerHour = dollarsPerHour;
  }

  readonly learn: JobEstimator["learn"] = (request, { frames }, processingSeconds) => {
    if (frames === 0) return;
    const sample = { processingSeconds, frames, steps: request.inference_steps };
    this.#rate = updateRate(this.#rate, sample);
  };

  readonly estimate: JobEstimator["estimate"] = (request) => {
    const seconds = estimateSeconds(this.#rate, { steps: request.inference_steps });
    if (seconds === undefined) return undefined;
    if (this.#dollarsPerHour === undefined) return { seconds };
    return { seconds, dollars: costDollars(seconds, this.#dollarsPerHour) };
  };

  readonly cost: JobEstimator["cost"] = (job, processingSeconds) => {
    if (this.#dollarsPerHour === undefined) return undefined;
    const actual = costDollars(processingSeconds, this.#dollarsPerHour);
    const estimated = this.estimate(job.request)?.dollars;
    return estimated === undefined ? { actual } : { estimated, actual };
  };
}
