/** Row 1: kill -9 of workers and of whole servers at random moments. */
import { describe, expect, test } from "vitest";
import { until } from "../work/harness.ts";
import { type Backend, backends } from "./backends.ts";
import { countOf, percentile, record, seconds } from "./figures.ts";
import { type JournalLine, Scene } from "./scene.ts";
import type { ServiceHandle } from "./service-handle.ts";

const JOBS = countOf("LATENTSYNC_FAULT_JOBS", 200);
const SERVER_KILLS = countOf("LATENTSYNC_FAULT_SERVER_KILLS", 25);
/** Contract: from the kill to the next start. */
const LONGEST_RESTART_SECONDS = 15;
const SCRIPT = { segments: 4, stepMs: 100 };
const STEPS = 3;
/** Of the steps alone: a kill within this time after the start finds the job running. */
const SHORTEST_RUN_MS = SCRIPT.segments * STEPS * SCRIPT.stepMs;

/** What lies at most between the end of a PUT and the note of it on the disk, on a busy machine. */
const NOTE_MS = 1000;

interface Kill {
  readonly job: string;
  readonly at: number;
  /** Steps that had been denoised. */
  readonly steps: number;
}

class Campaign {
  readonly scene: Scene;
  readonly jobs: string[] = [];
  readonly kills: Kill[] = [];
  readonly serverKillsAt: number[] = [];
  readonly #ended = new Set<string>();

  constructor(scene: Scene) {
    this.scene = scene;
  }

  get done(): boolean {
    return this.#ended.size === JOBS;
  }

  /** Keeps `atOnce` jobs under way: a job that comes again should wait for no other. */
  async feed(service: ServiceHandle, atOnce: number): Promise<void> {
    for (const job of this.jobs) {
      if (this.#ended.has(job)) continue;
      const view = await service.job(job).catch(() => undefined);
      if (view?.status === "completed" || view?.status === "failed") this.#ended.add(job);
    }
    while (this.jobs.length < JOBS && this.jobs.length - this.#ended.size < atOnce) {
      this.jobs.push(await this.scene.add(service, SCRIPT, { steps: STEPS }));
    }
  }

  /** Jobs whose engine is at work. */
  async running(): Promise<readonly JournalLine[]> {
    const last = new Map<string, JournalLine>();
    for (const line of await this.scene.journal()) {
      if (line.word === "begin" || line.word === "end") last.set(line.job, line);
    }
    return [...last.values()].filter(({ word }) => word === "begin");
  }

  async noteKill(job: string, at: number): Promise<void> {
    const steps = (await this.scene.journalOf(job)).filter(({ word }) => word.startsWith("step-"));
    this.kills.push({ job, at, steps: steps.length });
  }

  /**
   * The server died before it could note that the store had the result, and the store of plain HTTP
   * cannot tell: the same bytes were PUT once more.
   */
  #diedDuringPut(job: string): boolean {
    const [first, second, ...others] = this.scene.bucket.putsOf(`${job}.out`);
    if (first === undefined || second === undefined || others.length > 0) return false;
    return this.serverKillsAt.some((at) => Math.abs(at - first.endedAt) < NOTE_MS);
  }

  async record(backend: Backend, title: string, service: ServiceHandle): Promise<boolean> {
    const views = await Promise.all(this.jobs.map((job) => service.finished(job)));
    await until("clean folders", async () => (await service.leftovers()).length === 0);
    const lines = await this.scene.journal();
    const restarts = this.kills.map(({ job, at }) => {
      const next = lines.find((line) => line.job === job && line.word === "begin" && line.at > at);
      return ((next?.at ?? Number.POSITIVE_INFINITY) - at) / 1000;
    });
    const puts = this.jobs.map((job) => this.scene.putsOf(job));
    const completed = views.filter(({ status }) => status === "completed").length;
    const figures = {
      jobs: this.jobs.length,
      kills: this.kills.length,
      killedBeforeFirstStep: this.kills.filter(({ steps }) => steps === 0).length,
      completed,
      lost: views.length - completed,
      longestRestartSeconds: seconds(Math.max(...restarts) * 1000),
      medianRestartSeconds: seconds(percentile(restarts, 0.5) * 1000),
      finishedSegmentsComputedAgain: this.scene.recomputed(lines),
      jobsWithOnePut: puts.filter((count) => count === 1).length,
      putAgainAfterDeathDuringPut: this.jobs.filter((job) => this.#diedDuringPut(job)).length,
      leftovers: (await service.leftovers()).length,
    };
    const passed =
      completed === JOBS &&
      figures.longestRestartSeconds <= LONGEST_RESTART_SECONDS &&
      figures.finishedSegmentsComputedAgain === 0 &&
      figures.jobsWithOnePut + figures.putAgainAfterDeathDuringPut === JOBS;
    await record({ row: 1, title, backend: backend.name, figures, passed });
    return passed;
  }
}

describe.each(backends)("row 1 on $name", (backend) => {
  test.skipIf(backend.skip !== undefined)("the inference process is killed", async () => {
    const workers = 4;
    await using scene = await Scene.open(backend);
    await using service = await scene.start({ environment: { WORKERS: String(workers) } });
    const campaign = new Campaign(scene);
    const aimedAt = new Set<string>();
    const shots: Promise<void>[] = [];
    await until(
      "the end of all jobs",
      async () => {
        await campaign.feed(service, workers);
        for (const { job, pid, at } of await campaign.running()) {
          if (aimedAt.has(job)) continue;
          aimedAt.add(job);
          const left = at + Math.random() * SHORTEST_RUN_MS - Date.now();
          const shot = async (): Promise<void> => {
            await new Promise((resolve) => {
              setTimeout(resolve, Math.max(0, left));
            });
            process.kill(pid, "SIGKILL");
            await campaign.noteKill(job, Date.now());
          };
          shots.push(shot());
        }
        return campaign.done;
      },
      1_500_000,
    );
    await Promise.all(shots);
    const title = "kill -9 of the inference process of each job";
    expect(await campaign.record(backend, title, service)).toBe(true);
  });

  test.skipIf(backend.skip !== undefined)("the whole server is killed", async () => {
    const workers = 8;
    await using scene = await Scene.open(backend);
    const campaign = new Campaign(scene);
    const environment = { WORKERS: String(workers), MAX_ATTEMPTS: "20" };
    let service = await scene.start({ environment });
    try {
      for (let kill = 0; kill < SERVER_KILLS && !campaign.done; kill += 1) {
        await until("jobs at work", async () => {
          await campaign.feed(service, workers);
          return campaign.done || (await campaign.running()).length >= workers / 2;
        });
        const aimAt = Date.now() + Math.random() * SHORTEST_RUN_MS;
        await until("the moment", async () => {
          await campaign.feed(service, workers);
          return Date.now() >= aimAt;
        });
        service.kill("SIGKILL");
        const at = Date.now();
        campaign.serverKillsAt.push(at);
        await service.exit();
        // What the workers did before they were gone is in the journal.
        for (const { job } of await campaign.running()) await campaign.noteKill(job, at);
        await service[Symbol.asyncDispose]();
        service = await scene.start({ environment });
        const hit = campaign.kills.filter((one) => one.at === at).map(({ job }) => job);
        await until("the next starts", async () => {
          await campaign.feed(service, workers);
          const begun = (await scene.journal()).filter(
            (line) => line.word === "begin" && line.at > at,
          );
          return hit.every((job) => begun.some((line) => line.job === job));
        });
      }
      await until(
        "the end of all jobs",
        async () => {
          await campaign.feed(service, workers);
          return campaign.done;
        },
        1_500_000,
      );
      const title = `kill -9 of the whole server, ${workers} workers in it`;
      expect(await campaign.record(backend, title, service)).toBe(true);
    } finally {
      await service[Symbol.asyncDispose]();
    }
  });
});
