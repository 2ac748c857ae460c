/**
 * Entry of a worker process: one engine, one run at a time, until the server is gone. Its argument
 * is the process id of the server.
 */
import { writeFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { LatentSyncError } from "@ls/core";
import type { Engine, EngineFactory } from "./engine.ts";
import { packError, type RunRequest, type WorkerCommand, type WorkerReport } from "./messages.ts";
import type { ParentWatchData } from "./parent-watch.worker.ts";

const MEMORY_REPORT_MS = 5000;

type Send = (report: WorkerReport) => void;

function watchParent(): void {
  const workerData: ParentWatchData = { parentPid: Number(process.argv[2]) };
  const name = import.meta.url.endsWith(".ts")
    ? "./parent-watch.worker.ts"
    : "./parent-watch.worker.js";
  new Worker(new URL(name, import.meta.url), { workerData, execArgv: [] }).unref();
}

/** No farewell: native code may be running, and whatever is half done is redone elsewhere. */
function endProcess(): void {
  process.kill(process.pid, "SIGKILL");
}

async function createEngine(
  command: Extract<WorkerCommand, { readonly type: "start" }>,
  signal: AbortSignal,
): Promise<Engine> {
  const module = (await import(command.engineModule)) as { readonly createEngine?: unknown };
  if (typeof module.createEngine !== "function") {
    throw new LatentSyncError(
      "invalid_argument",
      `The engine module ${command.engineModule} exports no function createEngine.`,
      { hint: "Name a module that exports an EngineFactory as createEngine." },
    );
  }
  return await (module.createEngine as EngineFactory)(command.engineOptions, { signal });
}

class EngineServer {
  readonly #send: Send;
  readonly #stop = new AbortController();
  #engine: Engine | undefined;
  #run: { readonly id: number; readonly abort: AbortController } | undefined;

  constructor(send: Send) {
    this.#send = send;
  }

  async handle(command: WorkerCommand): Promise<void> {
    switch (command.type) {
      case "start":
        return await this.#start(command);
      case "run":
        return await this.#serve(command.run, command.request);
      case "abort":
        if (this.#run?.id === command.run) this.#run.abort.abort(calledOff());
        return;
      case "stop":
        return await this.#end();
    }
  }

  async #start(command: Extract<WorkerCommand, { readonly type: "start" }>): Promise<void> {
    try {
      this.#engine = await createEngine(command, this.#stop.signal);
      this.#send({ type: "ready", description: this.#engine.description });
    } catch (error) {
      this.#send({ type: "setup_failed", error: packError(error) });
    }
  }

  async #serve(id: number, request: RunRequest): Promise<void> {
    const abort = new AbortController();
    this.#run = { id, abort };
    try {
      if (this.#engine === undefined) throw new LatentSyncError("disposed", "There is no engine.");
      for await (const event of this.#engine.run({ ...request, signal: abort.signal })) {
        this.#send({ type: "event", run: id, event });
      }
      this.#run = undefined;
      this.#send({ type: "ended", run: id });
    } catch (error) {
      this.#run = undefined;
      this.#send({ type: "ended", run: id, error: packError(error) });
    }
  }

  async #end(): Promise<void> {
    this.#stop.abort(calledOff());
    this.#run?.abort.abort(calledOff());
    try {
      await this.#engine?.[Symbol.asyncDispose]();
    } finally {
      process.disconnect();
    }
  }
}

function calledOff(): LatentSyncError {
  return new LatentSyncError("cancelled", "The server has called the run off.");
}

function main(send: Send): void {
  watchParent();
  process.on("disconnect", endProcess);
  // A signal to the whole process group is for the server to act on.
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => {});
  // Where memory runs out, the kernel should take this process rather than the server.
  if (process.platform === "linux") {
    void writeFile("/proc/self/oom_score_adj", "500").catch(() => {});
  }
  const server = new EngineServer(send);
  process.on("message", (command: WorkerCommand) => void server.handle(command));
  const tellMemory = (): void => {
    send({ type: "memory", residentBytes: process.memoryUsage.rss() });
  };
  tellMemory();
  setInterval(tellMemory, MEMORY_REPORT_MS).unref();
}

if (process.send !== undefined) {
  main((report) => {
    if (process.connected) process.send?.(report);
  });
}
