import type { GraphSource, Runtime, SessionOptions, Tensor } from "@ls/core";
import { openWorkCounter, type WorkCounter } from "@ls/models";

/** A runtime, and how much arithmetic its networks were asked for. */
export interface CountedRuntime {
  readonly runtime: Runtime;
  /**
   * Multiply-adds of all runs since the last call, counted on the graphs with the shapes of their
   * inputs; `undefined` if one of them cannot be counted.
   */
  readonly takeMultiplyAdds: () => number | undefined;
}

/** Counts the work of a runtime, which stays the caller's to dispose. */
export function countedRuntime(runtime: Runtime): CountedRuntime {
  let total: number | undefined = 0;
  const add = (work: number | undefined): void => {
    total = total === undefined || work === undefined ? undefined : total + work;
  };
  return {
    runtime: {
      name: runtime.name,
      capabilities: runtime.capabilities,
      async createSession(graph: GraphSource, options?: SessionOptions) {
        const session = await runtime.createSession(graph, options);
        const counter = await openWorkCounter(graph).catch(() => undefined);
        const count = rememberCounts(counter);
        return {
          inputs: session.inputs,
          outputs: session.outputs,
          run(feeds, runOptions) {
            add(count(feeds));
            return session.run(feeds, runOptions);
          },
          [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    takeMultiplyAdds: () => {
      const taken = total;
      total = 0;
      return taken;
    },
  };
}

/** Counts once for each combination of shapes. */
function rememberCounts(
  counter: WorkCounter | undefined,
): (feeds: Readonly<Record<string, Tensor>>) => number | undefined {
  const known = new Map<string, number | undefined>();
  return (feeds) => {
    const shapes = Object.fromEntries(
      Object.entries(feeds).map(([name, { dims }]) => [name, dims]),
    );
    const key = JSON.stringify(shapes);
    if (!known.has(key)) known.set(key, countOrNothing(counter, shapes));
    return known.get(key);
  };
}

function countOrNothing(
  counter: WorkCounter | undefined,
  shapes: Readonly<Record<string, readonly number[]>>,
): number | undefined {
  try {
    return counter?.count(shapes).multiplyAdds;
  } catch {
    // An operator whose shapes are not known: the time is still worth having.
    return undefined;
  }
}
