import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LipSyncEvent } from "@ls/core";
import { expect, test } from "vitest";
import type { JobObserver } from "../../src/work/observer.ts";
import { type WorkerOptions, WorkerProcess } from "../../src/work/worker-process.ts";
import type { FakeScript } from "./fake-engine.ts";
import { engineModule, until } from "./harness.ts";

/** A worker over a temporary folder. */
class Bench implements AsyncDisposable {
  readonly worker: WorkerProcess;
  readonly events: LipSyncEvent[] = [];
  readonly #folder: string;

  private constructor(folder: string, worker: WorkerProcess) {
    this.#folder = folder;
    this.worker = worker;
  }

  static async open(
    options: Partial<WorkerOptions> = {},
    observer: JobObserver = {},
  ): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), "latentsync-worker-"));
    const worker = new WorkerProcess({ name: "worker-0", engineModule, ...options }, observer);
    return new Bench(folder, worker);
  }

  get output(): string {
    return join(this.#folder, "output.mp4");
  }

  async ready(): Promise<void> {
    await this.worker.ready({ signal: new AbortController().signal });
  }

  async run(
    script: FakeScript,
    options: { readonly signal?: AbortSignal; readonly steps?: number } = {},
  ): Promise<string> {
    await this.ready();
    const videoPath = join(this.#folder, "video");
    await writeFile(videoPath, JSON.stringify(script));
    const result = await this.worker.run(
      {
        videoPath,
        audioPath: videoPath,
        outputPath: this.output,
        segmentsFolder: this.#folder,
        inferenceSteps: options.steps ?? 2,
        guidanceScale: 1,
        seed: 7,
        footage: {},
      },
      {
        signal: options.signal ?? new AbortController().signal,
        onEvent: (event) => void this.events.push(event),
      },
    );
    return result.output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

test("runs in a process of its own, and what that prints is told line by line", async () => {
  const lines: string[] = [];
  let residentBytes = 0;
  await using bench = await Bench.open(
    {},
    {
      workerOutput: ({ worker, stream, line }) => void lines.push(`${worker} ${stream} ${line}`),
      workerMemory: (memory) => void (residentBytes = memory.residentBytes),
    },
  );
  expect(bench.worker.state).toBe("starting");
  await bench.ready();
  expect(bench.worker.pid).not.toBe(process.pid);
  expect(bench.worker.description?.model.name).toBe("fake-model");
  expect(await bench.run({ segments: 2 })).toBe(bench.output);
  expect(await readFile(bench.output, "utf8")).toBe("result of 2 segments with seed 7\n");
  expect(bench.events.at(-1)?.type).toBe("done");
  expect(bench.events.filter((event) => event.type === "step")).toHaveLength(4);
  await until("the line", () => lines.length > 0);
  expect(lines).toEqual(["worker-0 stdout engine says hello"]);
  expect(residentBytes).toBeGreaterThan(1e6);
});

test("an abort ends the run and leaves the process ready for the next", async () => {
  await using bench = await Bench.open();
  await bench.ready();
  const { pid } = bench.worker;
  const stop = new AbortController();
  const running = bench.run({ segments: 1000, stepMs: 20 }, { signal: stop.signal });
  await until("a step", () => bench.events.some((event) => event.type === "step"));
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  expect(bench.worker.state).toBe("ready");
  await bench.run({ segments: 1 });
  expect(bench.worker.pid).toBe(pid);
});

test("after a failure of the runtime the process is replaced, after a typed refusal it stays", async () => {
  await using bench = await Bench.open();
  await bench.ready();
  const { pid } = bench.worker;
  const fault = { kind: "throw", segment: 0, message: "Bad." } as const;
  const refused = bench.run({ fault: { ...fault, code: "no_face" } });
  await expect(refused).rejects.toMatchObject({ code: "no_face", message: "Bad." });
  await bench.ready();
  expect(bench.worker.pid).toBe(pid);
  const failed = bench.run({ fault: { ...fault, code: "runtime" } });
  await expect(failed).rejects.toMatchObject({ code: "runtime", hint: "Do something else." });
  await bench.ready();
  expect(bench.worker.pid).not.toBe(pid);
});

test("a crash is told with its signal and the last lines", async () => {
  const crashes: unknown[] = [];
  await using bench = await Bench.open({}, { workerCrashed: (crash) => void crashes.push(crash) });
  const fault = { kind: "die", signal: "SIGABRT", segment: 0 } as const;
  await expect(bench.run({ fault })).rejects.toMatchObject({
    code: "crashed",
    message: "The worker process was ended by SIGABRT.",
  });
  expect(crashes).toMatchObject([
    { exitSignal: "SIGABRT", lastLines: [expect.stringContaining("native trouble")] },
  ]);
});

test.each([
  ["data:text/javascript,export const other = 1;", "exports no function createEngine"],
  ["data:text/javascript,export const createEngine = () => new Promise(() => {});", "100 ms"],
  ["data:text/javascript,process.abort();", "SIGABRT"],
])("a setup that fails: %s", async (module, message) => {
  await using bench = await Bench.open({
    engineModule: module,
    // A process that is slow to start must not be taken for one that waits for ever.
    startTimeoutMs: module.includes("Promise") ? 100 : 60_000,
    setupBackoffMs: 60_000,
  });
  const { signal } = new AbortController();
  await expect(bench.worker.ready({ signal, orFail: true })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(message),
  });
});

test("one that is disposed takes no more, and has no process left", async () => {
  const bench = await Bench.open();
  await bench.ready();
  await bench[Symbol.asyncDispose]();
  expect(bench.worker.state).toBe("stopped");
  expect(bench.worker.pid).toBe(undefined);
  await expect(bench.ready()).rejects.toMatchObject({ code: "disposed" });
});
