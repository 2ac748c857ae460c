/** What a job costs: seconds of a machine that has a price per hour. Pure functions. */

/** What earlier jobs taught. Newer jobs count more. */
export interface MeasuredRate {
  /** Processing seconds of a frame in a denoising step. */
  readonly secondsPerFrameStep: number;
  /** Frames of a usual job. */
  readonly frames: number;
}

/** A job that was completed. */
export interface RateSample {
  readonly processingSeconds: number;
  readonly frames: number;
  readonly steps: number;
}

/** Share of the newest job in the average. */
const NEWEST_SHARE = 0.3;

/** The rate with another job taken in, as an exponentially weighted mean. */
export function updateRate(rate: MeasuredRate | undefined, sample: RateSample): MeasuredRate {
  const frameSteps = sample.frames * sample.steps;
  if (!(frameSteps > 0)) {
    throw new RangeError(
      `frames and steps must be above 0, not ${sample.frames}, ${sample.steps}.`,
    );
  }
  const measured = {
    secondsPerFrameStep: sample.processingSeconds / frameSteps,
    frames: sample.frames,
  };
  if (rate === undefined) return measured;
  const mean = (old: number, newest: number) => old + NEWEST_SHARE * (newest - old);
  return {
    secondsPerFrameStep: mean(rate.secondsPerFrameStep, measured.secondsPerFrameStep),
    frames: mean(rate.frames, measured.frames),
  };
}

/**
 * Processing seconds that a job will take; `undefined` before the first was measured. Time is taken
 * to grow with frames and steps.
 */
export function estimateSeconds(
  rate: MeasuredRate | undefined,
  job: {
    readonly steps: number;
    /** Default: those of a usual job, as nothing is known of a video that was not opened. */
    readonly frames?: number;
  },
): number | undefined {
  return rate && rate.secondsPerFrameStep * (job.frames ?? rate.frames) * job.steps;
}

/** US dollars for so many seconds of a machine. */
export function costDollars(seconds: number, dollarsPerHour: number): number {
  return (seconds / 3600) * dollarsPerHour;
}
