import { describe, expect, test } from "vitest";
import { backends } from "./backends.ts";
import { percentile, record } from "./figures.ts";
import { sendAll, type Timed } from "./load-client.ts";
import { Scene } from "./scene.ts";

const POSTS = 10_000;
const QUEUE_LIMIT = 1000;
const CONNECTIONS = 16;
const MOST_P99_MS = 50;

function p99(answers: readonly Timed[]): number {
  const times = answers.map(({ milliseconds }) => milliseconds);
  return Math.round(percentile(times, 0.99) * 10) / 10;
}

describe.each(backends)("row 8 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("10,000 POSTs against a limit of 1,000", async () => {
    await using scene = await Scene.open(backend);
    await using service = await scene.start({
      environment: { WORKERS: "0", MAX_QUEUED: String(QUEUE_LIMIT) },
    });
    const { body } = scene.request();
    // What is compiled on first use is no part of the figure.
    await sendAll({
      url: service.url,
      connections: CONNECTIONS,
      requests: Array.from({ length: 500 }, () => ({
        path: "/jobs",
        body: { ...body, out: "ftp://a" },
      })),
    });
    const startedAt = performance.now();
    const answers = await sendAll({
      url: service.url,
      connections: CONNECTIONS,
      requests: Array.from({ length: POSTS }, () => ({ path: "/jobs", body })),
    });
    const seconds = (performance.now() - startedAt) / 1000;
    const accepted = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 429);
    const withRetryAfter = refused.filter(({ headers }) => Number(headers["retry-after"]) > 0);
    const figures = {
      posts: answers.length,
      connections: CONNECTIONS,
      accepted: accepted.length,
      refusedWith429: refused.length,
      withRetryAfter: withRetryAfter.length,
      p99Milliseconds: p99(answers),
      p99OfAcceptedMilliseconds: p99(accepted),
      p99OfRefusedMilliseconds: p99(refused),
      postsPerSecond: Math.round(answers.length / seconds),
    };
    const passed =
      accepted.length === QUEUE_LIMIT &&
      refused.length === POSTS - QUEUE_LIMIT &&
      withRetryAfter.length === refused.length &&
      figures.p99Milliseconds <= MOST_P99_MS;
    const title = "10,000 POSTs against a queue limit of 1,000";
    await record({ row: 8, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
