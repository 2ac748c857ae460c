/** What a campaign plays in: a folder, a bucket, a queue, jobs, and the engines' journal. */
import { createHash, randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../work/harness.ts";
import type { Backend, QueueServer } from "./backends.ts";
import { Bucket } from "./bucket.ts";
import { type FaultScript, resultOf, speech, videoOf } from "./fault-engine.ts";
import { ServiceHandle, type ServiceOptions } from "./service-handle.ts";

export interface JournalLine {
  readonly job: string;
  readonly word: string;
  readonly pid: number;
  readonly at: number;
}

type Script = Omit<FaultScript, "name" | "journal">;

export class Scene implements AsyncDisposable {
  readonly folder: string;
  readonly bucket: Bucket;
  readonly queue: QueueServer;
  readonly #scripts = new Map<string, FaultScript>();

  private constructor(folder: string, bucket: Bucket, queue: QueueServer) {
    this.folder = folder;
    this.bucket = bucket;
    this.queue = queue;
  }

  static async open(backend: Backend): Promise<Scene> {
    const folder = await mkdtemp(join(tmpdir(), `latentsync-faults-${backend.name}-`));
    const scene = new Scene(folder, await Bucket.open(), await backend.start());
    appendFileSync(scene.#journalPath, "");
    return scene;
  }

  get #journalPath(): string {
    return join(this.folder, "journal.log");
  }

  /** Everything that the engines have told so far. */
  async journal(): Promise<readonly JournalLine[]> {
    const text = await readFile(this.#journalPath, "utf8");
    // A line that is not all there yet is left for the next time.
    return text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [job = "", word = "", pid, at] = line.split(" ");
        return { job, word, pid: Number(pid), at: Number(at) };
      });
  }

  async journalOf(job: string): Promise<readonly JournalLine[]> {
    return (await this.journal()).filter((line) => line.job === job);
  }

  async begun(job: string, times = 1): Promise<JournalLine> {
    return await until(`start ${times} of ${job}`, async () => {
      const begins = (await this.journalOf(job)).filter(({ word }) => word === "begin");
      return begins[times - 1];
    });
  }

  async start(options: Partial<ServiceOptions> = {}): Promise<ServiceHandle> {
    const { environment, ...others } = options;
    return await ServiceHandle.start({
      folder: this.folder,
      ...others,
      environment: {
        ALLOWED_PRIVATE_HOSTS: this.bucket.host,
        MAX_QUEUED: "100000",
        ...this.queue.environment,
        ...environment,
      },
    });
  }

  /** A request whose video is the script; its id is also its name. */
  request(
    script: Script = {},
    more: { readonly steps?: number } = {},
  ): { readonly id: string; readonly body: object } {
    const id = randomUUID();
    const full = { ...script, name: id, journal: this.#journalPath };
    this.#scripts.set(id, full);
    this.bucket.set(`${id}.in`, videoOf(full));
    this.bucket.set("speech", speech);
    const body = {
      video_in: this.bucket.url(`${id}.in`),
      audio_in: this.bucket.url("speech"),
      out: this.bucket.url(`${id}.out`),
      inference_steps: more.steps ?? 3,
    };
    return { id, body };
  }

  /** Has a job accepted. */
  async add(service: ServiceHandle, script?: Script, more?: { steps?: number }): Promise<string> {
    const { id, body } = this.request(script, more);
    const response = await service.create(body, id);
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
    return id;
  }

  /** Number of whole PUTs of a job's result; throws if one had other bytes than it should. */
  putsOf(job: string): number {
    const puts = this.bucket.putsOf(`${job}.out`);
    const script = this.#scripts.get(job);
    if (script === undefined) throw new Error(`No job ${job} was made here.`);
    const expected = createHash("sha256").update(resultOf(script)).digest("hex");
    for (const { sha256 } of puts) {
      if (sha256 !== expected) throw new Error(`Job ${job} published other bytes.`);
    }
    return puts.length;
  }

  /** Segments that were computed more than once after they had been finished. */
  recomputed(lines: readonly JournalLine[]): number {
    const finished = new Set<string>();
    let count = 0;
    for (const { job, word } of lines) {
      const [kind, segment] = word.split("-");
      const key = `${job} ${segment}`;
      if (kind === "segment") finished.add(key);
      if (kind === "step" && finished.has(key)) count += 1;
    }
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bucket[Symbol.asyncDispose]();
    await this.queue[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
