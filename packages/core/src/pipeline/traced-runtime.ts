import type {
  GraphSource,
  MemoryInfo,
  Runtime,
  RuntimeCapabilities,
  Session,
  SessionOptions,
} from "../runtime.ts";
import type { Tracer } from "../trace.ts";

/**
 * A runtime whose runs can be traced. Sessions outlive runs of the pipeline, so the tracer is set and
 * taken away while they exist; without one they pass everything on.
 */
export class TracedRuntime implements Runtime {
  readonly name: string;
  readonly capabilities: RuntimeCapabilities;
  readonly #runtime: Runtime;
  readonly #track: string;
  #tracer: Tracer | undefined;
  /** When the last network ended. A device runs one at a time, in the order of the calls. */
  #endMs: number | undefined;

  /** @param track name of the device in traces. */
  constructor(runtime: Runtime, track: string) {
    this.name = runtime.name;
    this.capabilities = runtime.capabilities;
    this.#runtime = runtime;
    this.#track = track;
  }

  async memory(): Promise<MemoryInfo | undefined> {
    return this.#runtime.memory?.();
  }

  /** Records what follows, until the result is disposed. */
  record(tracer: Tracer | undefined): Disposable {
    this.#tracer = tracer;
    this.#endMs = undefined;
    return {
      [Symbol.dispose]: () => {
        this.#tracer = undefined;
      },
    };
  }

  async createSession(graph: GraphSource, options?: SessionOptions): Promise<Session> {
    const network = graphName(graph);
    const startMs = performance.now();
    const session = await this.#runtime.createSession(graph, options);
    const [track, endMs] = [`${this.#track} load`, performance.now()];
    this.#tracer?.record({ track, kind: "stage", name: network, startMs, endMs });
    return this.#observe(session, network);
  }

  /** The runtime stays whoever's it was. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #observe(session: Session, network: string): Session {
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run: async (feeds, options) => {
        if (this.#tracer === undefined) return session.run(feeds, options);
        const calledMs = performance.now();
        try {
          return await session.run(feeds, options);
        } finally {
          this.#recordRun(network, calledMs);
        }
      },
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }

  #recordRun(network: string, calledMs: number): void {
    const tracer = this.#tracer;
    if (tracer === undefined) return;
    const endMs = performance.now();
    const freeMs = this.#endMs ?? calledMs;
    // It had to wait for the network before it; the rest of the time since the call it ran.
    const startMs = Math.max(calledMs, freeMs);
    const track = this.#track;
    this.#endMs = endMs;
    if (startMs > freeMs) {
      tracer.record({
        track,
        kind: "idle",
        name: `idle before ${network}`,
        startMs: freeMs,
        endMs: startMs,
      });
    }
    const details = { queuedMs: startMs - calledMs };
    tracer.record({ track, kind: "model", name: network, startMs, endMs, details });
  }
}

/** The file's name without folder and ending: that of the network. */
function graphName(graph: GraphSource): string {
  if (!("path" in graph)) return "network";
  const file = graph.path.split(/[/\\]/u).at(-1) ?? "network";
  return file.replace(/\.onnx$/u, "");
}
