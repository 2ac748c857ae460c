/**
 * Another engine, whose events are told: options are a `ToldEngineOptions`. Each line of the journal
 * is one JSON `ToldEvent`.
 */
import { appendFile } from "node:fs/promises";
import type { Engine, EngineFactory } from "../../src/work/engine.ts";

export interface ToldEngineOptions {
  /** URL of the module of the real one. */
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly journal: string;
}

export interface ToldEvent {
  readonly type: string;
  readonly pid: number;
  readonly at: number;
  readonly chunk?: number;
  readonly restored?: boolean;
  readonly frames?: number;
}

/** The engine of `latentsync-ts serve`. */
export const realEngine: string = new URL("../../../cli/src/service/engine.ts", import.meta.url)
  .href;
export const toldEngine: string = new URL(import.meta.url).href;

export const createEngine: EngineFactory = async (given, context): Promise<Engine> => {
  const { module, options, journal } = given as unknown as ToldEngineOptions;
  const { createEngine: create } = (await import(module)) as {
    readonly createEngine: EngineFactory;
  };
  const engine = await create(options, context);
  const tell = async (event: Omit<ToldEvent, "pid" | "at">): Promise<void> => {
    const line = { ...event, pid: process.pid, at: Date.now() } satisfies ToldEvent;
    await appendFile(journal, `${JSON.stringify(line)}\n`);
  };
  return {
    description: engine.description,
    async *run(request) {
      await tell({ type: "run" });
      for await (const event of engine.run(request)) {
        if (event.type === "chunk" || event.type === "step") {
          await tell({ type: event.type, chunk: event.chunk, restored: event.restored === true });
        }
        if (event.type === "frames") await tell({ type: "frames", frames: event.frames });
        yield event;
      }
    },
    [Symbol.asyncDispose]: async () => await engine[Symbol.asyncDispose](),
  };
};
