import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addBenchCommand } from "./commands/bench.ts";
import { addDemoCommand } from "./commands/demo.ts";
import { addInferCommand } from "./commands/infer.ts";
import { addInfoCommand } from "./commands/info.ts";
import { addModelsCommand } from "./commands/models.ts";
import { Interrupted, listenForInterrupt } from "./interrupt.ts";
import { translateOfficialFlags } from "./official-flags.ts";
import { formatError, type Terminal } from "./terminal.ts";

/** What every command gets beside its options. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/** This package's version. */
export function packageVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function createProgram(context: CommandContext): Command {
  const program = new Command("latentsync-ts")
    .description("Make a face in a video speak given audio: LatentSync, without Python.")
    .version(packageVersion())
    .showHelpAfterError("Run with --help to see what is allowed.")
    .configureOutput({
      writeOut: (text) => context.terminal.stdout.write(text),
      writeErr: (text) => context.terminal.stderr.write(text),
    })
    .exitOverride();
  addInferCommand(program, context);
  addDemoCommand(program, context);
  addModelsCommand(program, context);
  addInfoCommand(program, context);
  addBenchCommand(program, context);
  return program;
}

/**
 * Runs the program.
 * @param args the command line without the interpreter and the program's name.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function main(
  args: readonly string[],
  terminal: Terminal = process,
): Promise<number> {
  using interrupt = listenForInterrupt();
  const program = createProgram({ terminal, signal: interrupt.signal });
  try {
    await program.parseAsync(translateOfficialFlags(args), { from: "user" });
    return 0;
  } catch (error) {
    // Commander has printed its own message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (error instanceof Interrupted || interrupt.signal.aborted) {
      terminal.stderr.write(`${interrupt.signal.aborted ? String((interrupt.signal.reason as Error).message) : ""}\n`);
      return EXIT_INTERRUPTED;
    }
    terminal.stderr.write(`${formatError(error, terminal, args.includes("--debug"))}\n`);
    return EXIT_FAILURE;
  }
}
