/** Starts a dispatcher process, and reads what it says. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { DispatcherProcessOptions, DispatcherReport } from "./dispatcher-process.ts";
import { until } from "./harness.ts";

export class DispatcherHandle implements AsyncDisposable {
  readonly reports: DispatcherReport[] = [];
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown[]>;

  constructor(options: DispatcherProcessOptions) {
    const entry = fileURLToPath(new URL("./dispatcher-process.ts", import.meta.url));
    this.#process = spawn(process.execPath, [entry, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#exited = once(this.#process, "exit");
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      this.reports.push(JSON.parse(line) as DispatcherReport);
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /**
   * Stops it while it does not write to its queue: SQLite's lock would be held until it goes on, and
   * nobody could take its job.
   */
  async stopBetweenWrites(queuePath: string): Promise<void> {
    await until("a stop between writes", () => {
      this.kill("SIGSTOP");
      using database = new DatabaseSync(queuePath, { timeout: 0 });
      try {
        database.exec("BEGIN IMMEDIATE; ROLLBACK");
        return true;
      } catch {
        this.kill("SIGCONT");
        return false;
      }
    });
  }

  /** `[code, signal]` */
  async exit(): Promise<unknown[]> {
    return await this.#exited;
  }

  async report<Type extends DispatcherReport["type"]>(
    type: Type,
    fits: (report: Extract<DispatcherReport, { readonly type: Type }>) => boolean = () => true,
  ): Promise<Extract<DispatcherReport, { readonly type: Type }>> {
    return await until(`${type} from the dispatcher`, () =>
      this.reports
        .filter((report): report is Extract<DispatcherReport, { readonly type: Type }> => {
          return report.type === type;
        })
        .find(fits),
    );
  }

  /** Process id of its worker, once that has an engine. */
  async workerPid(): Promise<number> {
    const { pid } = await this.report("worker", ({ state }) => state === "ready");
    return pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }
}

/** Whether a process is running: neither gone nor a zombie. */
export async function isRunning(pid: number): Promise<boolean> {
  if (process.platform !== "linux") {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return state !== "" && !/\) [ZX] /u.test(state);
}
