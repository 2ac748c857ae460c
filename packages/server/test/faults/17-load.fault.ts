import { get } from "node:http";
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { backends } from "./backends.ts";
import { percentile, record, seconds } from "./figures.ts";
import { sendAll } from "./load-client.ts";
import { Scene } from "./scene.ts";

const CREATIONS = 10_000;
const STREAMS = 1000;
const CONNECTIONS = 16;
const title = "10,000 creations and 1,000 event streams";

/** An event stream, and when what came on it. */
class Stream {
  readonly opened: Promise<number>;
  endedAt: number | undefined;
  #text = "";

  constructor(url: string) {
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.opened = promise;
    get(url, { agent: false }, (response) => {
      response.on("data", (data: Buffer) => {
        this.#text += data.toString();
        if (this.#text.includes("event: status")) resolve(performance.now() - startedAt);
        if (this.#text.includes("event: end")) this.endedAt ??= performance.now();
      });
      response.on("error", reject);
    }).on("error", reject);
  }
}

function rounded(values: readonly number[], share: number): number {
  return Math.round(percentile(values, share) * 10) / 10;
}

describe.each(backends)("load on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("creations and event streams", async () => {
    await using scene = await Scene.open(backend);
    await using service = await scene.start({ environment: { WORKERS: "0" } });
    const { body } = scene.request();
    const startedAt = performance.now();
    const created = await sendAll({
      url: service.url,
      connections: CONNECTIONS,
      requests: Array.from({ length: CREATIONS }, () => ({ path: "/jobs", body })),
    });
    const creationSeconds = seconds(performance.now() - startedAt);
    const creationTimes = created.map(({ milliseconds }) => milliseconds);
    const ids = created
      .slice(0, STREAMS)
      .map((answer) => (JSON.parse(answer.body) as { job_id: string }).job_id);

    const streams = ids.map((id) => new Stream(`${service.url}/jobs/${id}/events`));
    const openTimes = await Promise.all(streams.map(({ opened }) => opened));
    const cancelledAt: number[] = [];
    for (const id of ids) {
      cancelledAt.push(performance.now());
      const answer = await service.cancel(id);
      if (!answer.ok) throw new Error(`To cancel is answered ${answer.status}.`);
    }
    await until("the end of every stream", () =>
      streams.every(({ endedAt }) => endedAt !== undefined),
    );
    const delays = streams.map(({ endedAt }, index) => (endedAt ?? 0) - (cancelledAt[index] ?? 0));
    const figures = {
      creations: created.filter(({ status }) => status === 202).length,
      connections: CONNECTIONS,
      creationP50Milliseconds: rounded(creationTimes, 0.5),
      creationP99Milliseconds: rounded(creationTimes, 0.99),
      creationsPerSecond: Math.round(CREATIONS / creationSeconds),
      streams: streams.length,
      allOpenedAtOnceP99Milliseconds: rounded(openTimes, 0.99),
      cancelToEndEventP50Milliseconds: rounded(delays, 0.5),
      cancelToEndEventP99Milliseconds: rounded(delays, 0.99),
    };
    const passed =
      figures.creations === CREATIONS && streams.every(({ endedAt }) => endedAt !== undefined);
    await record({ row: 17, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
