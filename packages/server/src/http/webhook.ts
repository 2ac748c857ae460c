/** Webhooks after Standard Webhooks: a signed POST that tells of a job's end, repeated until it is heard. */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { LatentSyncError } from "@ls/core";
import { Webhook } from "standardwebhooks";
import type { JobRecord } from "../jobs/job.ts";
import type { GuardedConnector } from "../net/guarded-connector.ts";
import { summarizeJob } from "./job-view.ts";

export interface WebhookSenderOptions {
  /** The guarded connector's: it keeps deliveries off private addresses. */
  readonly connectorFetch: GuardedConnector["fetch"];
  /** `whsec_` and base64 of 24 to 64 random bytes. */
  readonly secret: string;
  /** For one answer. Default 10,000. */
  readonly timeoutMs?: number;
  /** Tries before the delivery is given up. Default 8. */
  readonly maxAttempts?: number;
  /** Wait after the first try; doubles with each further one, at random between half and all. Default 1000. */
  readonly backoffMs?: number;
  /** Longest wait between two tries. Default 60,000. */
  readonly maxBackoffMs?: number;
  /** For tests: 0 to 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface WebhookOutcome {
  readonly delivered: boolean;
  readonly attempts: number;
  /** Status of the last answer. */
  readonly status?: number;
  /** Why it was not delivered, without the URL. */
  readonly reason?: string;
}

export interface WebhookSender {
  /** Tells of the end of a job that has a webhook. Rejects only if `signal` aborts. */
  send(job: JobRecord, options?: { readonly signal?: AbortSignal }): Promise<WebhookOutcome>;
}

const SECRET = /^whsec_[A-Za-z\d+/]{32,}={0,2}$/;
/** The receiver says that it wants no more. */
const GONE = 410;

/** @throws LatentSyncError `invalid_argument` if the secret is not one. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  assertWebhookSecret(options.secret);
  const signer = new Webhook(options.secret);
  const maxAttempts = options.maxAttempts ?? 8;
  return {
    async send(job, { signal } = {}) {
      const url = job.request.webhook;
      if (url === undefined) return { delivered: false, attempts: 0, reason: "No webhook." };
      const payload = webhookPayload(job);
      const id = deliveryId(job);
      for (let attempt = 1; ; attempt++) {
        signal?.throwIfAborted();
        const answer = await post(options, { url, payload, id, signer, signal });
        signal?.throwIfAborted();
        const { retryAfterMs, ...result } = answer;
        const outcome = { ...result, attempts: attempt };
        if (answer.delivered || answer.final || attempt >= maxAttempts) {
          const { final: _, ...told } = outcome;
          return told;
        }
        const waitMs = Math.max(backoff(options, attempt), retryAfterMs ?? 0);
        await delay(waitMs, undefined, { signal, ref: false });
      }
    },
  };
}

/** @throws LatentSyncError `invalid_argument`. */
function assertWebhookSecret(secret: string): void {
  if (SECRET.test(secret)) return;
  throw new LatentSyncError(
    "invalid_argument",
    "The webhook secret must be whsec_ followed by base64 of at least 24 bytes.",
    { hint: 'Make one: echo "whsec_$(openssl rand -base64 32)".' },
  );
}

/** The same for the same end of the same job, so that a receiver notices repetitions. */
function deliveryId(job: JobRecord): string {
  const event = JSON.stringify([job.id, job.status, job.finishedAt]);
  return `msg_${createHash("sha256").update(event).digest("base64url").slice(0, 27)}`;
}

function webhookPayload(job: JobRecord): string {
  return JSON.stringify({
    type: `job.${job.status}`,
    timestamp: job.finishedAt ?? job.updatedAt,
    data: summarizeJob(job),
  });
}

interface Answer {
  readonly delivered: boolean;
  /** No further try would help. */
  readonly final: boolean;
  readonly status?: number;
  readonly reason?: string;
  readonly retryAfterMs?: number;
}

async function post(
  options: WebhookSenderOptions,
  delivery: {
    readonly url: string;
    readonly payload: string;
    readonly id: string;
    readonly signer: Webhook;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Answer> {
  const { id, payload, signer, url } = delivery;
  const now = new Date();
  try {
    const response = await options.connectorFetch(url, {
      method: "POST",
      body: payload,
      maxRedirects: 0,
      signal: delivery.signal,
      totalTimeoutMs: options.timeoutMs ?? 10_000,
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
        "webhook-signature": signer.sign(id, now, payload),
      },
    });
    // Nobody reads what it says.
    await response.body?.cancel();
    const { status } = response;
    if (status >= 200 && status < 300) return { delivered: true, final: true, status };
    const retryAfterMs = retryAfter(response, options.maxBackoffMs ?? 60_000);
    const reason = `It answered ${status}.`;
    return { delivered: false, final: status === GONE, status, reason, retryAfterMs };
  } catch (error) {
    const isForbidden = LatentSyncError.is(error) && error.code === "forbidden";
    const reason = isForbidden ? "Its address is not allowed." : "It could not be reached.";
    return { delivered: false, final: isForbidden, reason };
  }
}

/** What the answer asks for in seconds, but never longer than the longest wait. */
function retryAfter(response: Response, maxMs: number): number {
  const seconds = Number(response.headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, maxMs) : 0;
}

function backoff(options: WebhookSenderOptions, attempt: number): number {
  const { backoffMs = 1000, maxBackoffMs = 60_000, random = Math.random } = options;
  const fullMs = Math.min(backoffMs * 2 ** (attempt - 1), maxBackoffMs);
  return fullMs * (0.5 + random() / 2);
}
