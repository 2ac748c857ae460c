import { randomBytes } from "node:crypto";
import { LatentSyncError } from "@ls/core";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { createWebhookSender } from "../../src/http/webhook.ts";
import type { JobRecord } from "../../src/jobs/job.ts";
import type { GuardedRequest } from "../../src/net/exchange.ts";
import { REQUEST } from "./fixture.ts";

const secret = `whsec_${randomBytes(32).toString("base64")}`;

const job: JobRecord = {
  id: "0b6c1b8e-7a51-4d0c-9a44-1f1d6d3e5c11",
  status: "completed",
  request: {
    ...REQUEST,
    guidance_scale: 2,
    inference_steps: 20,
    priority: 0,
    webhook: "https://example.com/hook?token=1",
  },
  owner: "alice",
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:01:00.000Z",
  startedAt: "2026-01-01T00:00:30.000Z",
  finishedAt: "2026-01-01T00:01:00.000Z",
  attempts: 1,
  cancelRequested: false,
  deadLetter: false,
};

interface Delivery {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly request: GuardedRequest;
}

function receiver(answers: readonly (number | Error | Response)[]): {
  readonly deliveries: Delivery[];
  readonly connectorFetch: (url: string | URL, request?: GuardedRequest) => Promise<Response>;
} {
  const deliveries: Delivery[] = [];
  return {
    deliveries,
    async connectorFetch(url, request = {}) {
      const headers = Object.fromEntries(new Headers(request.headers));
      deliveries.push({ url: String(url), headers, body: request.body as string, request });
      const answer = answers[Math.min(deliveries.length, answers.length) - 1];
      if (answer instanceof Error) throw answer;
      return answer instanceof Response ? answer : new Response(null, { status: answer ?? 200 });
    },
  };
}

const quick = { secret, backoffMs: 1, maxBackoffMs: 2 };

describe("createWebhookSender", () => {
  it("signs after Standard Webhooks, and tells no URLs", async () => {
    const { connectorFetch, deliveries } = receiver([204]);
    const outcome = await createWebhookSender({ ...quick, connectorFetch }).send(job);
    expect(outcome).toEqual({ delivered: true, attempts: 1, status: 204 });
    const [delivery] = deliveries;
    expect(delivery?.url).toBe(job.request.webhook);
    expect(delivery?.request.maxRedirects).toBe(0);
    const told = new Webhook(secret).verify(delivery?.body ?? "", delivery?.headers ?? {});
    expect(told).toMatchObject({
      type: "job.completed",
      timestamp: job.finishedAt,
      data: { job_id: job.id, status: "completed", metadata: { processing_time: 30 } },
    });
    expect(delivery?.body).not.toContain("signature=1");
    const tampered = `${delivery?.body} `;
    expect(() => new Webhook(secret).verify(tampered, delivery?.headers ?? {})).toThrow(
      "signature",
    );
  });

  it("tries again under the same id until it is heard", async () => {
    const { connectorFetch, deliveries } = receiver([500, new Error("reset"), 301, 404, 200]);
    const outcome = await createWebhookSender({ ...quick, connectorFetch }).send(job);
    expect(outcome).toMatchObject({ delivered: true, attempts: 5, status: 200 });
    expect(new Set(deliveries.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    const { deliveries: others, connectorFetch: other } = receiver([200]);
    const failed: JobRecord = { ...job, status: "failed" };
    await createWebhookSender({ ...quick, connectorFetch: other }).send(failed);
    expect(others[0]?.headers["webhook-id"]).not.toBe(deliveries[0]?.headers["webhook-id"]);
  });

  it("gives up after the last try", async () => {
    const { connectorFetch, deliveries } = receiver([503]);
    const sender = createWebhookSender({ ...quick, connectorFetch, maxAttempts: 3 });
    expect(await sender.send(job)).toEqual({
      delivered: false,
      attempts: 3,
      status: 503,
      reason: "It answered 503.",
    });
    expect(deliveries).toHaveLength(3);
  });

  it.each([
    ["the receiver is gone", 410],
    ["the address is not allowed", new LatentSyncError("forbidden", "Private.")],
  ])("does not try again if %s", async (_, answer) => {
    const { connectorFetch, deliveries } = receiver([answer, 200]);
    const outcome = await createWebhookSender({ ...quick, connectorFetch }).send(job);
    expect(outcome).toMatchObject({ delivered: false, attempts: 1 });
    expect(deliveries).toHaveLength(1);
  });

  it("waits no longer than its limit, whatever Retry-After asks", async () => {
    const busy = new Response(null, { status: 429, headers: { "retry-after": "86400" } });
    const { connectorFetch } = receiver([busy, 200]);
    const outcome = await createWebhookSender({ ...quick, connectorFetch }).send(job);
    expect(outcome).toMatchObject({ delivered: true, attempts: 2 });
  });

  it("ends with its signal", async () => {
    const { connectorFetch } = receiver([500]);
    const sender = createWebhookSender({ secret, connectorFetch, backoffMs: 60_000 });
    await expect(sender.send(job, { signal: AbortSignal.timeout(30) })).rejects.toThrow("abort");
  });

  it("has nothing to do for jobs without a webhook", async () => {
    const { connectorFetch, deliveries } = receiver([200]);
    const { webhook: _, ...request } = job.request;
    const outcome = await createWebhookSender({ ...quick, connectorFetch }).send({
      ...job,
      request,
    });
    expect(outcome).toMatchObject({ delivered: false, attempts: 0 });
    expect(deliveries).toEqual([]);
  });

  it.each(["", "secret", "whsec_", "whsec_c2hvcnQ="])("refuses the secret %j", (bad) => {
    const { connectorFetch } = receiver([200]);
    expect(() => createWebhookSender({ secret: bad, connectorFetch })).toThrow("whsec_");
  });
});
