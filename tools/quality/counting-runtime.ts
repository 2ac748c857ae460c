/** Counts what the UNet is asked for, which is the same on every machine, and times the networks. */
import type { Runtime, Session, Tensor } from "@ls/core";

/** Forwards of one chunk and one branch: a guided step has two. */
export interface UNetForwards {
  readonly full: number;
  /** Of DeepCache: the outermost layers only. */
  readonly shallow: number;
}

export interface RuntimeUse {
  readonly forwards: UNetForwards;
  /** Seconds that networks have run. */
  readonly seconds: number;
}

export interface CountingRuntime {
  readonly runtime: Runtime;
  /** Since the last call. */
  take(): RuntimeUse;
}

/** @param runtime stays the caller's to dispose. */
export function countingRuntime(runtime: Runtime): CountingRuntime {
  let [full, shallow, milliseconds] = [0, 0, 0];
  const count = (session: Session, noise: Tensor | undefined): void => {
    const branches = noise?.dims[0] ?? 0;
    if (session.inputs.some(({ name }) => name === "deep_features")) shallow += branches;
    else full += branches;
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
          async run(feeds, runOptions) {
            const start = performance.now();
            const outputs = await session.run(feeds, runOptions);
            milliseconds += performance.now() - start;
            count(session, outputs["noise_pred"]);
            return outputs;
          },
          [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
        };
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    take() {
      const use = { forwards: { full, shallow }, seconds: milliseconds / 1000 };
      [full, shallow, milliseconds] = [0, 0, 0];
      return use;
    },
  };
}
