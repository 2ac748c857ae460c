import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { main } from "../src/main.ts";

/** The executable, for tests that need a process of their own. */
export const PROGRAM: string = join(import.meta.dirname, "../bin/latentsync-ts.js");

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process. */
export async function run(...args: readonly string[]): Promise<Outcome> {
  const terminal = { stdout: new PassThrough(), stderr: new PassThrough() };
  const code = await main(args, terminal);
  terminal.stdout.end();
  terminal.stderr.end();
  return { code, stdout: await text(terminal.stdout), stderr: await text(terminal.stderr) };
}
