import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WebhookOutcome } from "../../src/http/webhook.ts";
import type { JobRecord } from "../../src/jobs/job.ts";
import { openWebhookOutbox } from "../../src/service/webhook-outbox.ts";
import { temporaryFolder } from "../storage/temporary-folder.ts";
import { until } from "../work/harness.ts";

const job: JobRecord = {
  id: "0b6c1b8e-7a51-4d0c-9a44-1f1d6d3e5c11",
  status: "completed",
  request: {
    video_in: "https://example.com/v",
    audio_in: "https://example.com/a",
    out: "https://example.com/o",
    guidance_scale: 2,
    inference_steps: 20,
    priority: 0,
    webhook: "https://example.com/hook",
  },
  owner: "alice",
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:01:00.000Z",
  finishedAt: "2026-01-01T00:01:00.000Z",
  attempts: 1,
  cancelRequested: false,
  deadLetter: false,
};

const queue = { get: async (id: string) => (id === job.id ? job : undefined) };

/** A sender whose deliveries never end, but for an abort. */
const stuck = {
  send: async (_: JobRecord, { signal }: { readonly signal?: AbortSignal } = {}) =>
    await new Promise<WebhookOutcome>((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    }),
};

describe("openWebhookOutbox", () => {
  it("delivers after a restart what was not delivered before", async () => {
    await using temporary = await temporaryFolder();
    const folder = join(temporary.path, "webhooks");
    const reports: string[] = [];
    const report = (what: string): void => void reports.push(what);
    const first = await openWebhookOutbox({ folder, queue, sender: stuck, report });
    await first.add(job);
    await first[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([job.id]);

    const sent: string[] = [];
    const sender = {
      async send({ id }: JobRecord): Promise<WebhookOutcome> {
        sent.push(id);
        return { delivered: true, attempts: 1, status: 200 };
      },
    };
    await using second = await openWebhookOutbox({ folder, queue, sender, report });
    await until("the delivery", async () => (await readdir(folder)).length === 0);
    expect(sent).toEqual([job.id]);
    expect(reports).toEqual([]);
    await second.add({ ...job, request: { ...job.request, webhook: undefined } });
    expect(sent).toHaveLength(1);
  });

  it("reports what nobody hears, and forgets jobs that are gone", async () => {
    await using temporary = await temporaryFolder();
    const folder = join(temporary.path, "webhooks");
    const reports: object[] = [];
    const sender = { send: async () => ({ delivered: false, attempts: 8, status: 500 }) };
    await using outbox = await openWebhookOutbox({
      folder,
      queue: { get: async () => undefined },
      sender,
      report: (what, details) => void reports.push({ what, ...details }),
    });
    await outbox.add(job);
    await until("the report", () => reports.length > 0);
    expect(reports[0]).toMatchObject({ job: job.id, attempts: 8, status: 500 });
    await until("an empty folder", async () => (await readdir(folder)).length === 0);
  });
});
