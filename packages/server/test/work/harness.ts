/** Pieces for tests of the dispatcher: a queue, files in a folder, a fake engine, and a wait. */
import { randomUUID } from "node:crypto";
import { copyFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { LatentSyncError } from "@ls/core";
import type { JobQueue, JobQueueLimits } from "../../src/jobs/job-queue.ts";
import type { JobRequest } from "../../src/jobs/job-request.ts";
import type { JobEvent, JobRecord } from "../../src/jobs/job.ts";
import { openSqliteQueue } from "../../src/jobs/sqlite-queue.ts";
import { measureFile } from "../../src/storage/publish.ts";
import {
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
} from "../../src/work/dispatcher.ts";
import type { JobFiles } from "../../src/work/job-files.ts";
import type { FakeEngineOptions, FakeScript } from "./fake-engine.ts";

export const engineModule: string = new URL("./fake-engine.ts", import.meta.url).href;

/** Waits until `probe` gives something. Tests assert what came, not how long it took. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 60_000,
): Promise<T> {
  const giveUpAt = performance.now() + limitMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) throw new Error(`It never came about: ${what}.`);
    await delay(10);
  }
}

export async function aborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Files in a folder, with a line in `puts.log` for each PUT that began and that was done. */
export class FolderFiles implements JobFiles {
  readonly #log: string;
  /** Where a PUT waits, for what a test does meanwhile. */
  beforePut: ((signal: AbortSignal) => Promise<void>) | undefined;
  afterPut: (() => Promise<void>) | undefined;
  beforeDownload: ((signal: AbortSignal) => Promise<void>) | undefined;
  canTell = true;

  constructor(folder: string) {
    this.#log = join(folder, "puts.log");
  }

  async download({ url, path, signal, onProgress }: Parameters<JobFiles["download"]>[0]) {
    signal.throwIfAborted();
    await this.beforeDownload?.(signal);
    signal.throwIfAborted();
    await copyFile(fileURLToPath(url), path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw cause;
      throw new LatentSyncError("not_found", `There is no ${url.href}.`, { cause });
    });
    const digest = await measureFile(path, signal);
    onProgress(digest.sizeBytes, digest.sizeBytes);
    return digest;
  }

  async publish({ url, path, signal }: Parameters<JobFiles["publish"]>[0]) {
    if (this.canTell && (await this.#holds(url, path, signal))) return;
    const name = basename(url.pathname);
    await this.beforePut?.(signal);
    signal.throwIfAborted();
    const temporary = `${fileURLToPath(url)}.${randomUUID()}`;
    await copyFile(path, temporary);
    await rename(temporary, fileURLToPath(url));
    await writeFile(this.#log, `${name}\n`, { flag: "a" });
    await this.afterPut?.();
  }

  /** Names of the results, a name for each PUT. */
  async puts(): Promise<readonly string[]> {
    return await linesOf(this.#log);
  }

  async #holds(url: URL, path: string, signal: AbortSignal): Promise<boolean> {
    const stored = await measureFile(fileURLToPath(url), signal).catch(() => undefined);
    return stored?.sha256 === (await measureFile(path, signal)).sha256;
  }
}

export async function linesOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}

export interface HarnessOptions {
  readonly limits?: JobQueueLimits;
  readonly workers?: number;
  readonly engineOptions?: FakeEngineOptions;
  readonly worker?: Partial<DispatcherOptions["workers"][number]>;
  readonly dispatcher?: Partial<DispatcherOptions>;
  /** An existing folder, to go on where another process was. */
  readonly folder?: string;
  readonly queue?: JobQueue;
}

/** A queue and dispatchers over one temporary folder. */
export class Harness implements AsyncDisposable {
  readonly folder: string;
  readonly queue: JobQueue;
  readonly files: FolderFiles;
  readonly #options: HarnessOptions;
  readonly #dispatchers: Dispatcher[] = [];

  private constructor(folder: string, options: HarnessOptions) {
    this.folder = folder;
    this.#options = options;
    this.files = new FolderFiles(folder);
    const limits = { backoffMs: 10, leaseMs: LEASE_MS, ...options.limits };
    this.queue = options.queue ?? openSqliteQueue({ path: join(folder, "queue.sqlite"), limits });
  }

  static async open(options: HarnessOptions = {}): Promise<Harness> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "latentsync-work-")));
    return new Harness(folder, options);
  }

  get dataFolder(): string {
    return join(this.folder, "data");
  }

  get journal(): string {
    return join(this.folder, "journal.log");
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  start(more: Partial<DispatcherOptions> = {}): Dispatcher {
    const { workers = 1, engineOptions = {}, worker, dispatcher, limits } = this.#options;
    const started = createDispatcher({
      queue: this.queue,
      files: this.files,
      dataFolder: this.dataFolder,
      leaseMs: limits?.leaseMs ?? LEASE_MS,
      watchMs: 50,
      progressMs: 100,
      minFreeBytes: 0,
      workers: Array.from({ length: workers }, (_, index) => ({
        name: `worker-${index}`,
        engineModule,
        engineOptions: { ...engineOptions },
        ...worker,
      })),
      ...dispatcher,
      ...more,
    });
    this.#dispatchers.push(started);
    return started;
  }

  /** Adds a job whose video is the script. */
  async add(
    script: FakeScript = {},
    job: {
      readonly deadlineAt?: string;
      readonly steps?: number;
      readonly audio?: string;
      readonly request?: Partial<JobRequest>;
    } = {},
  ): Promise<string> {
    const id = randomUUID();
    const video = this.path(`${id}.json`);
    const audio = this.path(`${id}.wav`);
    await writeFile(video, JSON.stringify({ journal: this.journal, ...script }));
    await writeFile(audio, "speech");
    await this.queue.add({
      id,
      owner: "anonymous",
      ...(job.deadlineAt === undefined ? {} : { deadlineAt: job.deadlineAt }),
      request: {
        video_in: pathToFileURL(video).href,
        audio_in: pathToFileURL(job.audio ?? audio).href,
        out: pathToFileURL(this.result(id)).href,
        guidance_scale: 2,
        inference_steps: job.steps ?? 3,
        priority: 0,
        ...job.request,
      },
    });
    return id;
  }

  result(id: string): string {
    return this.path(`${id}.mp4`);
  }

  async finished(id: string): Promise<JobRecord> {
    return await until(`the end of job ${id}`, async () => {
      const job = await this.queue.get(id);
      return job !== undefined && (job.status === "completed" || job.status === "failed") && job;
    });
  }

  async events(id: string): Promise<readonly JobEvent[]> {
    return await Array.fromAsync(this.queue.events(id));
  }

  async log(id: string): Promise<readonly string[]> {
    return (await this.events(id)).flatMap((event) =>
      event.type === "log" ? [event.message] : [],
    );
  }

  /** Waits until a line is in the journal so many times. */
  async journalHas(line: string, times = 1): Promise<void> {
    await until(`${line} in the journal`, async () => {
      const lines = await linesOf(this.journal);
      return lines.filter((found) => found === line).length >= times;
    });
  }

  /** Names of what lies in the jobs' folders. */
  async leftovers(): Promise<readonly string[]> {
    return await readdir(join(this.dataFolder, "jobs"), { recursive: true }).catch(() => []);
  }

  /** Waits until the jobs' folders are gone, as they are soon after the end. */
  async clean(): Promise<void> {
    await until("clean folders", async () => (await this.leftovers()).length === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dispatcher of this.#dispatchers) await dispatcher[Symbol.asyncDispose]();
    await this.queue[Symbol.asyncDispose]();
    if (this.#options.folder === undefined) await rm(this.folder, { recursive: true, force: true });
  }
}

/** Long enough for a machine with other work, short enough to wait for. */
const LEASE_MS = 3000;
