/** How long a job may take before somebody should look. It is not ended: that is what deadlines are for. */

export interface LatencyBudget {
  /** From creation to result, whatever the length of the video. */
  readonly seconds?: number;
  /** From creation to result, for each second of the result. */
  readonly secondsPerVideoSecond?: number;
}

/** A budget that was broken. */
export interface LatencyBreach {
  readonly budgetSeconds: number;
  readonly actualSeconds: number;
}

/** The breach of a finished job, if there is one. With both limits set, the larger one holds. */
export function latencyBreach(
  budget: LatencyBudget,
  job: { readonly totalSeconds: number; readonly videoSeconds: number },
): LatencyBreach | undefined {
  const limits: number[] = [];
  if (budget.seconds !== undefined) limits.push(budget.seconds);
  if (budget.secondsPerVideoSecond !== undefined) {
    limits.push(budget.secondsPerVideoSecond * job.videoSeconds);
  }
  if (limits.length === 0) return undefined;
  const budgetSeconds = Math.max(...limits);
  return job.totalSeconds > budgetSeconds
    ? { budgetSeconds, actualSeconds: job.totalSeconds }
    : undefined;
}
