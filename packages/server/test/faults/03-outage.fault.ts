/** Row 3: the queue's server is killed again and again while jobs come in. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { restart, servers } from "./backends.ts";
import { countOf, percentile, record, seconds } from "./figures.ts";
import { Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";

const KILLS = countOf("LATENTSYNC_FAULT_OUTAGES", 20);
const CLIENTS = 8;
/** Each client waits as long between two jobs, so that the workers can follow. */
const PAUSE_MS = 400;
const LONGEST_REFUSAL_SECONDS = 2;
/** In place of a status. */
const NO_ANSWER = 0;

/** Clients that create jobs under ids of their own until they are stopped. */
class Load {
  readonly accepted: string[] = [];
  readonly refused: string[] = [];
  readonly refusalMs: number[] = [];
  readonly acceptanceMs: number[] = [];
  readonly statuses = new Map<number, number>();
  readonly #clients: Promise<void[]>;
  #stopped = false;

  constructor(scene: Scene, service: ServiceHandle) {
    const client = async (): Promise<void> => {
      while (!this.#stopped) {
        const { id, body } = scene.request({ segments: 1, stepMs: 5 }, { steps: 1 });
        const at = performance.now();
        const status = await service.create(body, id).then(
          async (response) => {
            await response.arrayBuffer();
            return response.status;
          },
          () => NO_ANSWER,
        );
        const took = performance.now() - at;
        this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
        if (status === 202) {
          this.accepted.push(id);
          this.acceptanceMs.push(took);
        } else {
          this.refused.push(id);
          this.refusalMs.push(took);
        }
        await delay(PAUSE_MS);
      }
    };
    this.#clients = Promise.all(Array.from({ length: CLIENTS }, client));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#clients;
  }
}

describe.each(servers)("row 3 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("the queue's server is killed under load", async () => {
    await using scene = await Scene.open(backend);
    const { server } = scene.queue;
    if (server === undefined) throw new Error("There is no server to kill.");
    await using service = await scene.start({ environment: { WORKERS: "3", MAX_ATTEMPTS: "20" } });
    const load = new Load(scene, service);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await delay(1000 + Math.random() * 2000);
      await server.kill();
      await delay(500 + Math.random() * 2500);
      await restart(server);
    }
    await delay(3000);
    await load.stop();
    const { accepted, refused, statuses } = load;
    let completed = 0;
    await until(
      "the end of all accepted jobs",
      async () => {
        const answer = await fetch(`${service.url}/jobs?status=queued&limit=1`);
        const { jobs } = (await answer.json()) as { jobs: readonly unknown[] };
        await delay(1000);
        return answer.ok && jobs.length === 0;
      },
      900_000,
    );
    const lost: string[] = [];
    for (const id of accepted) {
      if ((await service.job(id)) === undefined) lost.push(id);
      else if ((await service.finished(id, 60_000)).status === "completed") completed += 1;
    }
    const puts = accepted.map((id) => scene.putsOf(id));
    const unheard = await Promise.all(refused.map((id) => service.job(id)));
    const other = [...statuses].filter(([status]) => status !== 202 && status !== 503);
    const figures = {
      kills: KILLS,
      accepted: accepted.length,
      lost: lost.length,
      completed,
      refused: refused.length,
      otherAnswers: other.map(([status, count]) => `${count} x ${status}`).join(", ") || "none",
      longestRefusalSeconds: seconds(Math.max(0, ...load.refusalMs)),
      longestAcceptanceSeconds: seconds(Math.max(...load.acceptanceMs)),
      medianAcceptanceSeconds: seconds(percentile(load.acceptanceMs, 0.5)),
      refusedButThere: unheard.filter((view) => view !== undefined).length,
      jobsWithOnePut: puts.filter((count) => count === 1).length,
      mostPuts: Math.max(...puts),
    };
    const passed =
      lost.length === 0 &&
      completed === accepted.length &&
      other.length === 0 &&
      refused.length > 0 &&
      figures.longestRefusalSeconds <= LONGEST_REFUSAL_SECONDS &&
      figures.jobsWithOnePut === accepted.length;
    const title = `The queue's server is killed (SIGKILL) under load of ${CLIENTS} clients`;
    await record({ row: 3, title, backend: backend.name, figures, passed });
    expect(passed).toBe(true);
  });
});
