/** A service process that a campaign starts, asks, stops and kills. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JobView } from "../../src/http/job-view.ts";
import { findFreePort } from "../servers/process.ts";
import { isRunning } from "../work/dispatcher-handle.ts";
import { until } from "../work/harness.ts";
import type { ServiceProcessOptions } from "./service-process.ts";

export interface ServiceOptions {
  /** Gets the data folder, the folder for temporary files, and the log. */
  readonly folder: string;
  /** Another place for the data than `folder`. */
  readonly dataFolder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly engineModule?: string;
  readonly engineOptions?: Readonly<Record<string, unknown>>;
  /** Program and arguments instead of the service process's own. */
  readonly command?: readonly [string, ...string[]];
  /** A program that starts it, with its arguments, such as a tracer. */
  readonly wrapper?: readonly string[];
}

const faultEngine = new URL("./fault-engine.ts", import.meta.url).href;
const entry = fileURLToPath(new URL("./service-process.ts", import.meta.url));

export class ServiceHandle implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown[]>;
  readonly #options: ServiceOptions;

  private constructor(options: ServiceOptions, port: number) {
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
    const { engineModule = faultEngine, engineOptions = {} } = options;
    const environment = { ...this.#environment(), PORT: String(port) };
    const service: ServiceProcessOptions = { environment, engineModule, engineOptions };
    const command = options.command ?? [process.execPath, entry, JSON.stringify(service)];
    const [program = "", ...args] = [...(options.wrapper ?? []), ...command];
    this.#process = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment, TMPDIR: this.temporaryFolder },
    });
    this.#exited = once(this.#process, "exit");
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (data: Buffer) => appendFileSync(this.logPath, data));
    }
    this.#process.once("exit", (code) => {
      // Nobody asked it to.
      if (code !== 0 && code !== null)
        console.error(readFileSync(this.logPath, "utf8").slice(-5000));
    });
  }

  static async start(options: ServiceOptions): Promise<ServiceHandle> {
    await mkdir(join(options.folder, "tmp"), { recursive: true });
    const handle = new ServiceHandle(options, await findFreePort());
    await until("the service's first answer", async () => {
      if (handle.#process.exitCode !== null) {
        throw new Error(`The service has ended:\n${await readFile(handle.logPath, "utf8")}`);
      }
      return await fetch(`${handle.url}/livez`).then(
        (response) => response.ok,
        () => false,
      );
    });
    return handle;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get dataFolder(): string {
    return this.#options.dataFolder ?? join(this.#options.folder, "data");
  }

  get temporaryFolder(): string {
    return join(this.#options.folder, "tmp");
  }

  get logPath(): string {
    return join(this.#options.folder, "service.log");
  }

  #environment(): Record<string, string> {
    return {
      HOST: "127.0.0.1",
      DATA_DIR: this.dataFolder,
      LOG_LEVEL: "warn",
      ...this.#options.environment,
    };
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** `[code, signal]` */
  async exit(): Promise<unknown[]> {
    return await this.#exited;
  }

  /** Process ids of the workers and whatever else it has started. */
  async children(): Promise<readonly number[]> {
    const text = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, "utf8").catch(
      () => "",
    );
    return text.split(" ").filter(Boolean).map(Number);
  }

  async create(job: object, id?: string): Promise<Response> {
    return await fetch(`${this.url}/jobs${id === undefined ? "" : `/${id}`}`, {
      method: id === undefined ? "POST" : "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(job),
    });
  }

  async cancel(id: string): Promise<Response> {
    return await fetch(`${this.url}/jobs/${id}/cancel`, { method: "POST" });
  }

  async job(id: string): Promise<JobView | undefined> {
    const response = await fetch(`${this.url}/jobs/${id}`);
    const body: unknown = await response.json();
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`GET /jobs/${id}: ${JSON.stringify(body)}`);
    return body as JobView;
  }

  /** Waits until a job has ended. Outages on the way are waited through. */
  async finished(id: string, limitMs = 300_000): Promise<JobView> {
    return await until(
      `the end of job ${id}`,
      async () => {
        const job = await this.job(id).catch(() => undefined);
        return (job?.status === "completed" || job?.status === "failed") && job;
      },
      limitMs,
    );
  }

  /** What lies in the jobs' folders and in the folder for temporary files. */
  async leftovers(): Promise<readonly string[]> {
    const names = async (folder: string): Promise<readonly string[]> =>
      await readdir(folder, { recursive: true }).catch(() => []);
    return [
      ...(await names(join(this.dataFolder, "jobs"))),
      ...(await names(this.temporaryFolder)),
    ];
  }

  /** Ends it in order, and sees that its workers are gone too. */
  async [Symbol.asyncDispose](): Promise<void> {
    const children = await this.children();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.kill("SIGCONT");
      this.kill("SIGTERM");
      const timer = setTimeout(() => this.kill("SIGKILL"), 15_000);
      await this.#exited;
      clearTimeout(timer);
    }
    await until("the end of the workers", async () => {
      const running = await Promise.all(children.map((pid) => isRunning(pid)));
      return !running.includes(true);
    });
  }
}
