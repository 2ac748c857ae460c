/** Programs that end while they hold a runtime, for `processEndConformance`. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { float32, type Runtime, type Session, type Tensor } from "@ls/core";
import { slowModel } from "./runtime-models.ts";

/** What a runtime multiplies: matrices of `side` x `side`, `steps` times in a run. */
export interface ProcessLoad {
  readonly side: number;
  readonly steps: number;
}

const USUAL_LOAD: ProcessLoad = { side: 512, steps: 96 };
/** Time for native code to be entered; whether it has been makes no difference to the outcome. */
const START_MS = 30;
const EXIT_CODE = 5;

async function useWhileEnding(
  ending: string,
  session: Session,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<number | undefined> {
  const runs = Promise.all([session.run(feeds), session.run(feeds)]);
  process.stdout.write("busy\n");
  await sleep(START_MS);
  if (ending === "exit while running") return EXIT_CODE;
  if (ending === "throw while running") throw new Error("thrown on purpose");
  await runs;
  process.stdout.write("finished\n");
  return undefined;
}

/**
 * What a program does with a runtime before it ends in one of `processEndConformance`'s ways. Prints
 * `busy` as soon as a run is under way that takes long.
 * @returns the code that the program is to exit with at once; `undefined` if it ends by itself.
 */
export async function useUntilEnd(
  ending: string,
  createRuntime: () => Promise<Runtime>,
  { side, steps }: ProcessLoad = USUAL_LOAD,
): Promise<number | undefined> {
  const runtime = await createRuntime();
  const bytes = slowModel(side, steps);
  if (ending === "exit while compiling") {
    void runtime.createSession({ bytes });
    await sleep(START_MS);
    return EXIT_CODE;
  }
  const session = await runtime.createSession({ bytes });
  const feeds = { x: float32([side, side], new Float32Array(side * side)) };
  if (ending.endsWith("while running") || ending === "wait") {
    return await useWhileEnding(ending, session, feeds);
  }
  if (ending === "run on") {
    process.stdout.write("busy\n");
    for (;;) await session.run(feeds);
  }
  await session.run(feeds);
  if (ending === "exit when idle") return EXIT_CODE;
  if (ending === "disposed") {
    await session[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
  }
  return undefined;
}

/** How a program ended, and what it printed. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

export interface RunProgramOptions {
  /** Default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** A program that runs longer is killed. Default: it may run for ever. */
  readonly timeoutMs?: number;
  /** Called when the program first prints something. */
  readonly onOutput?: (program: ChildProcess) => void;
}

/** Runs a JavaScript or TypeScript file as a program of its own on this Node, until it ends. */
export async function runProgram(
  path: string,
  args: readonly string[],
  { env, timeoutMs, onOutput }: RunProgramOptions = {},
): Promise<ProgramEnd> {
  const child = spawn(process.execPath, [path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  if (onOutput !== undefined) child.stdout.once("data", () => onOutput(child));
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  return { code, signal, output, errors };
}
