import type { Runtime } from "@ls/core";

/** A runtime, and how long its networks have run. */
export interface TimedRuntime {
  readonly runtime: Runtime;
  /** Seconds in which at least one network was at work, since the last call. */
  takeSeconds(): number;
}

/** Times the networks of a runtime, which stays the caller's to dispose. */
export function timedRuntime(runtime: Runtime): TimedRuntime {
  let running = 0;
  let since = 0;
  let milliseconds = 0;
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running++ === 0) since = performance.now();
    try {
      return await work();
    } finally {
      if (--running === 0) milliseconds += performance.now() - since;
    }
  };
  return {
    runtime: {
      name: runtime.name,
      capabilities: runtime.capabilities,
      async createSession(graph, options) {
        const session = await runtime.createSession(graph, options);
        return {
          inputs: session.inputs,
          outputs: session.outputs,
          run: (feeds, runOptions) => timed(() => session.run(feeds, runOptions)),
          [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    takeSeconds() {
      const seconds = milliseconds / 1000;
      milliseconds = 0;
      return seconds;
    },
  };
}
