/** One engine, kept as long as jobs want the same one. */
import { LatentSyncError } from "@ls/core";
import { checkJob } from "./check-job.ts";
import { engineKeyOf, engineOptionsOf, type InferFlags } from "./infer-job.ts";
import { load, type LoadedEngine, type LoadOptions } from "./load.ts";

export type EngineHooks = Pick<LoadOptions, "onGraphProgress" | "onNotice" | "signal">;

/** Failures that say nothing about the engine: it may go on to the next job. */
const OF_THE_JOB: ReadonlySet<string> = new Set([
  "not_found",
  "invalid_argument",
  "invalid_media",
  "no_face",
  "io",
  "disk_full",
  "too_large",
  "conflict",
]);

export class KeptEngine implements AsyncDisposable {
  readonly #hooks: EngineHooks;
  readonly #onLoad: (engine: LoadedEngine) => void;
  #key = "";
  #engine: LoadedEngine | undefined;

  /** @param onLoad is told of every engine that is loaded. */
  constructor(hooks: EngineHooks, onLoad: (engine: LoadedEngine) => void) {
    this.#hooks = hooks;
    this.#onLoad = onLoad;
  }

  /** The engine for a job that may do: that of the job before, if it is of the same model, runtime and detector. */
  async for(flags: InferFlags): Promise<LoadedEngine> {
    await checkJob(flags);
    const key = engineKeyOf(flags);
    if (this.#engine !== undefined && key === this.#key) return this.#engine;
    await this[Symbol.asyncDispose]();
    const engine = await load({ ...engineOptionsOf(flags), ...this.#hooks });
    this.#engine = engine;
    this.#key = key;
    this.#onLoad(engine);
    return engine;
  }

  /** A job has failed: an engine that may be broken is not used again. */
  async reconsider(error: unknown): Promise<void> {
    if (LatentSyncError.is(error) && OF_THE_JOB.has(error.code)) return;
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.[Symbol.asyncDispose]();
  }
}
