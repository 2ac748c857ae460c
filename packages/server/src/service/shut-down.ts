/** The end of a server that was told to stop. */
import type { Listening } from "../http/listen.ts";
import type { Service } from "./service.ts";

/** Less than the 10 s that containers are given after SIGTERM. */
const LONGEST_MS = 9000;
/** Requests in flight need not wait for the jobs. */
const REQUESTS_MS = 5000;

/**
 * Lets requests in flight end and hands running jobs on, side by side, within `drainSeconds` and 9 s
 * at most. The service stays to be disposed.
 */
export async function shutDown(options: {
  readonly service: Pick<Service, "drain">;
  readonly listening: Pick<Listening, "close">;
  readonly drainSeconds: number;
}): Promise<void> {
  const { service, listening, drainSeconds } = options;
  const deadlineMs = Math.min(drainSeconds * 1000, LONGEST_MS);
  await Promise.all([
    service.drain({ deadlineMs }),
    listening.close({ drainMs: Math.min(deadlineMs, REQUESTS_MS) }),
  ]);
}
