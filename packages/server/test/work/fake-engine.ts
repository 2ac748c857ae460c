/**
 * An engine whose work is waiting, and that goes wrong as the job's video says: the file's text is a
 * JSON `FakeScript`. Finished segments are files, as those of a real engine.
 */
import { appendFile, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LatentSyncError, type LatentSyncErrorCode, type LipSyncEvent } from "@ls/core";
import type { Engine, EngineRequest } from "../../src/work/engine.ts";

export type FakeFault =
  /** Death by that signal. */
  | { readonly kind: "die"; readonly signal: "SIGKILL" | "SIGSEGV" | "SIGABRT" }
  /** An error that nobody catches. */
  | { readonly kind: "uncaught" }
  /** The run goes on for ever, without events and deaf to aborts; the event loop is free. */
  | { readonly kind: "hang" }
  /** The event loop stands still. */
  | { readonly kind: "block" }
  | { readonly kind: "throw"; readonly code: LatentSyncErrorCode; readonly message: string }
  | { readonly kind: "throw_plain"; readonly errno?: string };

export interface FakeScript {
  readonly segments?: number;
  readonly stepMs?: number;
  /** Happens in step 1 of that segment, from 0. */
  readonly fault?: FakeFault & { readonly segment: number };
  /** Only while no such file exists; it is made when the fault happens. */
  readonly onceFile?: string;
  /** A line per segment that was computed, and per run with what it says of footage, is appended to it. */
  readonly journal?: string;
}

interface Journal {
  write(line: string): Promise<void>;
}

function journalOf(script: FakeScript): Journal {
  return {
    write: async (line) => {
      if (script.journal !== undefined) await appendFile(script.journal, `${line}\n`);
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function goWrong(fault: FakeFault): Promise<void> {
  switch (fault.kind) {
    case "die":
      process.stderr.write(`native trouble at /opt/secret/place/lib.so: ${fault.signal}\n`);
      process.kill(process.pid, fault.signal);
      return await new Promise(() => {});
    case "uncaught":
      setImmediate(() => {
        throw new Error("Nobody catches this.");
      });
      return await new Promise(() => {});
    case "hang":
      return await new Promise(() => {});
    case "block":
      return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    case "throw":
      throw new LatentSyncError(fault.code, fault.message, { hint: "Do something else." });
    case "throw_plain":
      throw Object.assign(new Error("Something broke at /opt/secret/place."), {
        ...(fault.errno === undefined ? {} : { code: fault.errno }),
      });
  }
}

async function* run(request: EngineRequest): AsyncGenerator<LipSyncEvent> {
  const { signal, segmentsFolder, inferenceSteps: steps } = request;
  const script = JSON.parse(await readFile(request.videoPath, "utf8")) as FakeScript;
  const { segments: chunks = 4, stepMs = 5, fault, onceFile } = script;
  const journal = journalOf(script);
  const clock = { elapsedSeconds: 0, remainingSeconds: undefined };
  const footage = JSON.stringify(request.footage);
  await journal.write(footage === "{}" ? "run" : `run ${footage}`);
  console.log("engine says hello");
  yield { type: "stage", stage: "speech", ...clock };
  yield { type: "stage", stage: "frames", ...clock };
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const path = join(segmentsFolder, `${chunk}.json`);
    if (await exists(path)) {
      yield { type: "chunk", chunk, chunks, restored: true, ...clock };
      yield { type: "step", chunk, chunks, step: steps, steps, restored: true, ...clock };
      continue;
    }
    yield { type: "chunk", chunk, chunks, ...clock };
    for (let step = 1; step <= steps; step += 1) {
      await delay(stepMs);
      signal.throwIfAborted();
      if (fault?.segment === chunk && (onceFile === undefined || !(await exists(onceFile)))) {
        if (onceFile !== undefined) await writeFile(onceFile, "");
        await goWrong(fault);
      }
      yield { type: "step", chunk, chunks, step, steps, ...clock };
    }
    await writeFile(`${path}.part`, `${request.seed}`);
    await rename(`${path}.part`, path);
    await journal.write(`segment ${chunk}`);
    yield { type: "frames", frames: (chunk + 1) * 16, totalFrames: chunks * 16, ...clock };
  }
  yield { type: "stage", stage: "finish", ...clock };
  await writeFile(request.outputPath, `result of ${chunks} segments with seed ${request.seed}\n`);
  const result = {
    output: request.outputPath,
    frames: chunks * 16,
    framesWithoutFace: 0,
    framesPerSecond: 25,
    elapsedSeconds: 0,
  };
  yield { type: "done", result, ...clock };
}

export interface FakeEngineOptions {
  /** Setup fails while this file exists. */
  readonly brokenWhile?: string;
  readonly threads?: number;
}

export async function createEngine(options: FakeEngineOptions): Promise<Engine> {
  if (options.brokenWhile !== undefined && (await exists(options.brokenWhile))) {
    throw new LatentSyncError("invalid_model", "The model is broken.");
  }
  return {
    description: {
      software: { name: "fake", version: "1.0.0" },
      model: { name: "fake-model", files: { "unet.onnx": "00" } },
      runtime: {
        name: "fake",
        hardware: `${options.threads ?? 1} threads`,
        precision: "float32",
      },
      notices: [],
    },
    run,
    async [Symbol.asyncDispose]() {},
  };
}
