/** A device beside the host: it works on one network at a time, in order, while the host goes on. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  FakeFaceAligner,
  FakeFaceDetector,
  FakeModel,
  FakeRuntime,
  FakeSpeechEncoder,
  FakeVideoSink,
  FakeVideoSource,
} from "@ls/testing";
import { LatentSync, type LatentSyncOptions, type LipSyncRequest } from "../src/latent-sync.ts";
import type { LipSyncEvent } from "../src/pipeline/events.ts";
import type { MemoryInfo, Runtime, Session } from "../src/runtime.ts";

export interface AcceleratorRun {
  readonly graph: string;
  /** What waited for the device when the run ended. */
  readonly next: string | undefined;
}

export interface FakeAcceleratorOptions {
  readonly device?: "cpu" | "gpu";
  /** How long a network runs: the host gets everything done meanwhile. */
  readonly runMs?: number;
  readonly memory?: MemoryInfo;
}

/** As {@link FakeRuntime}, but a run takes a while and those behind it wait. */
export class FakeAccelerator implements Runtime {
  readonly name = "fake";
  readonly capabilities: Runtime["capabilities"];
  readonly fake: FakeRuntime = new FakeRuntime();
  readonly runs: AcceleratorRun[] = [];
  /** Leading dimension of every UNet's input. */
  readonly batches: number[] = [];
  readonly #waiting: string[] = [];
  readonly #runMs: number;
  readonly #memory: MemoryInfo | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ device = "gpu", runMs = 1, memory }: FakeAcceleratorOptions = {}) {
    this.capabilities = { device, profile: "cpu", precisions: ["float32"] };
    this.#runMs = runMs;
    this.#memory = memory;
  }

  async memory(): Promise<MemoryInfo | undefined> {
    return this.#memory;
  }

  async createSession(source: Parameters<Runtime["createSession"]>[0]): Promise<Session> {
    const session = await this.fake.createSession(source);
    const graph = "path" in source ? source.path : "";
    return {
      ...session,
      run: (feeds, options) => {
        options?.signal?.throwIfAborted();
        this.#waiting.push(graph);
        if (graph.startsWith("unet")) this.batches.push(feeds["sample"]?.dims[0] ?? 0);
        const turn = this.#last.then(async () => {
          this.#waiting.shift();
          options?.signal?.throwIfAborted();
          await sleep(this.#runMs);
          this.runs.push({ graph, next: this.#waiting[0] });
          return session.run(feeds);
        });
        this.#last = turn.catch(() => undefined);
        return turn;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export interface BenchOptions extends Partial<LatentSyncOptions> {
  readonly frames?: number;
  readonly faceless?: readonly number[];
}

/** An engine's fakes, and how to run it. */
export function setUpEngine({ frames = 24, faceless = [], ...options }: BenchOptions) {
  const source = new FakeVideoSource(frames);
  const sink = new FakeVideoSink();
  const load = (): Promise<LatentSync> =>
    LatentSync.load({
      model: new FakeModel(),
      runtime: new FakeRuntime(),
      source,
      sink,
      detector: new FakeFaceDetector(faceless),
      speech: new FakeSpeechEncoder(frames),
      aligner: new FakeFaceAligner(),
      ...options,
    });
  return { source, sink, load };
}

export async function runEngine(
  engine: LatentSync,
  request: Partial<LipSyncRequest> = {},
): Promise<LipSyncEvent[]> {
  const events: LipSyncEvent[] = [];
  const files = { video: "in.mp4", audio: "in.wav", output: "out.mp4" };
  for await (const event of engine.run({
    ...files,
    inferenceSteps: 3,
    followFaces: false,
    ...request,
  })) {
    events.push(event);
  }
  return events;
}
