/** Webhooks that are still to be delivered, kept on disk, so that a restart delivers them. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { WebhookSender } from "../http/webhook.ts";
import type { JobQueue } from "../jobs/job-queue.ts";
import type { JobRecord } from "../jobs/job.ts";

export interface WebhookOutboxOptions {
  /** One empty file per job, named by its id. */
  readonly folder: string;
  readonly queue: Pick<JobQueue, "get">;
  readonly sender: WebhookSender;
  /** Is told what was not delivered, or could not be tried. */
  readonly report: (what: string, details: Readonly<Record<string, unknown>>) => void;
}

export interface WebhookOutbox extends AsyncDisposable {
  /** Takes charge of telling that a job has ended. Resolves when that survives a restart. */
  add(job: JobRecord): Promise<void>;
}

/** Goes on with what an earlier process left. Disposing stops deliveries; they stay in the folder. */
export async function openWebhookOutbox(options: WebhookOutboxOptions): Promise<WebhookOutbox> {
  const { folder, queue, sender, report } = options;
  await mkdir(folder, { recursive: true });
  const stop = new AbortController();
  const { signal } = stop;
  const deliveries = new Map<string, Promise<void>>();

  const deliver = async (job: JobRecord): Promise<void> => {
    const outcome = await sender.send(job, { signal });
    if (!outcome.delivered) report("Webhook not delivered", { job: job.id, ...outcome });
    await rm(join(folder, job.id), { force: true });
  };
  const start = (id: string, work: () => Promise<void>): void => {
    if (deliveries.has(id)) return;
    const delivery = work()
      .catch((error: unknown) => {
        if (!signal.aborted)
          report("Webhook not sent; it stays for the next start", { job: id, err: error });
      })
      .finally(() => deliveries.delete(id));
    deliveries.set(id, delivery);
  };

  for (const id of await readdir(folder)) {
    start(id, async () => {
      const job = await queue.get(id);
      if (job?.finishedAt !== undefined) await deliver(job);
      else await rm(join(folder, id), { force: true });
    });
  }
  return {
    async add(job) {
      if (job.request.webhook === undefined || deliveries.has(job.id)) return;
      await writeFile(join(folder, job.id), "", { flush: true });
      start(job.id, () => deliver(job));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(deliveries.values());
    },
  };
}
