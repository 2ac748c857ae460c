/** What all queue adapters share: limits with their defaults, and the errors they answer with. */
import { LatentSyncError } from "@ls/core";
import type { JobQueueLimits } from "./job-queue.ts";
import type { JobError } from "./job.ts";

export type ResolvedQueueLimits = Required<JobQueueLimits>;

const DAY_MS = 24 * 3600 * 1000;

const DEFAULTS: ResolvedQueueLimits = {
  maxQueued: 1000,
  maxUnfinishedPerOwner: Number.POSITIVE_INFINITY,
  maxAttempts: 3,
  leaseMs: 10_000,
  backoffMs: 1000,
  retentionMs: 7 * DAY_MS,
};

/** Smallest value of each limit that makes sense. */
const MINIMA: ResolvedQueueLimits = {
  maxQueued: 1,
  maxUnfinishedPerOwner: 1,
  maxAttempts: 1,
  leaseMs: 100,
  backoffMs: 0,
  retentionMs: 1,
};

/** @throws LatentSyncError `invalid_argument` for a limit that is not a number or too small. */
export function resolveQueueLimits(limits: JobQueueLimits = {}): ResolvedQueueLimits {
  const value = (name: keyof JobQueueLimits): number => {
    const given = limits[name] ?? DEFAULTS[name];
    if (given >= MINIMA[name] && (Number.isInteger(given) || given === DEFAULTS[name])) {
      return given;
    }
    throw new LatentSyncError(
      "invalid_argument",
      `The queue limit ${name} must be a whole number of at least ${MINIMA[name]}, but is ${given}.`,
      { hint: `Set ${name} to ${MINIMA[name]} or more, or leave it out.` },
    );
  };
  return {
    maxQueued: value("maxQueued"),
    maxUnfinishedPerOwner: value("maxUnfinishedPerOwner"),
    maxAttempts: value("maxAttempts"),
    leaseMs: value("leaseMs"),
    backoffMs: value("backoffMs"),
    retentionMs: value("retentionMs"),
  };
}

/** How long a job waits that has failed in passing, after `attempts` starts. */
export function backoffOf(limits: ResolvedQueueLimits, attempts: number): number {
  return limits.backoffMs * 2 ** Math.max(0, attempts - 1);
}

export function queueFull(waiting: number, limits: ResolvedQueueLimits): LatentSyncError {
  return new LatentSyncError(
    "exhausted",
    `The queue is full: ${waiting} jobs wait, and at most ${limits.maxQueued} may.`,
    { hint: "Try again later." },
  );
}

export function ownerFull(unfinished: number, limits: ResolvedQueueLimits): LatentSyncError {
  return new LatentSyncError(
    "exhausted",
    `This owner has ${unfinished} unfinished jobs, and may have ${limits.maxUnfinishedPerOwner}.`,
    { hint: "Wait until one of them has finished, or cancel one." },
  );
}

export function queueDisposed(): LatentSyncError {
  return new LatentSyncError("disposed", "The job queue was used after it was disposed.", {
    hint: "Dispose the queue only when nothing uses it any more.",
  });
}

export const CANCELLED: JobError = { code: "cancelled", message: "The job was cancelled." };

/** What is recorded if the last permitted attempt ends without a word. */
export function crashed(attempts: number): JobError {
  return {
    code: "crashed",
    message: `The process that worked on the job died in each of ${attempts} attempts.`,
    hint: "Check the inputs with another player; if they are sound, report them.",
  };
}
