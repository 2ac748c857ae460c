import { Command, CommanderError } from "commander";
import type { CommandContext } from "./command-context.ts";
import { Interrupted, listenForInterrupt } from "./interrupt.ts";
import { translateOfficialFlags } from "./official-flags.ts";
import { type Complaint, describeError, formatError, type Terminal } from "./terminal.ts";
import { packageVersion } from "./version.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const EXAMPLES = `
Examples:
  latentsync-ts demo
  latentsync-ts models pull latentsync-1.6
  latentsync-ts infer --video face.mp4 --audio speech.wav --out out.mp4
`;

type AddCommand = (program: Command, context: CommandContext) => void;

/** Commands in the order of the help. A program that runs one need not load what the others do. */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  infer: async () => (await import("./commands/infer.ts")).addInferCommand,
  batch: async () => (await import("./commands/batch.ts")).addBatchCommand,
  rerun: async () => (await import("./commands/rerun.ts")).addRerunCommand,
  faces: async () => (await import("./commands/faces.ts")).addFacesCommand,
  demo: async () => (await import("./commands/demo.ts")).addDemoCommand,
  evaluate: async () => (await import("./commands/evaluate.ts")).addEvaluateCommand,
  models: async () => (await import("./commands/models.ts")).addModelsCommand,
  runtime: async () => (await import("./commands/runtime.ts")).addRuntimeCommand,
  info: async () => (await import("./commands/info.ts")).addInfoCommand,
  serve: async () => (await import("./commands/serve.ts")).addServeCommand,
  submit: async () => (await import("./commands/submit.ts")).addSubmitCommand,
  bench: async () => (await import("./commands/bench.ts")).addBenchCommand,
  deploy: async () => (await import("./commands/deploy.ts")).addDeployCommand,
};

async function createProgram(args: readonly string[], context: CommandContext): Promise<Command> {
  const program = new Command("latentsync-ts")
    .description("Make a face in a video speak given audio: LatentSync, without Python.")
    .version(packageVersion())
    .showHelpAfterError("Run with --help to see what is allowed.")
    .configureOutput({
      writeOut: (text) => context.terminal.stdout.write(text),
      writeErr: (text) => context.terminal.stderr.write(text),
    })
    .addHelpText("after", EXAMPLES)
    .exitOverride();
  const [name = ""] = args;
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  // Help and complaints about a command that is none name them all.
  for (const load of named === undefined ? Object.values(COMMANDS) : [named]) {
    (await load())(program, context);
  }
  return program;
}

/** `help serve` as `serve --help`, since some commands learn their options when they are chosen. */
function translateHelp(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  return first === "help" && rest.length > 0 ? [...rest, "--help"] : args;
}

/**
 * Runs the program.
 * @param args the command line without the interpreter and the program's name.
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 */
export async function main(args: readonly string[], terminal: Terminal = process): Promise<number> {
  using interrupt = listenForInterrupt(terminal);
  // Programs that read the events learn of a failure from them, too.
  const complain = (complaint: Complaint): void => {
    if (!args.includes("--json")) return;
    terminal.stdout.write(`${JSON.stringify({ type: "error", ...complaint })}\n`);
  };
  const words = translateOfficialFlags(translateHelp(args));
  try {
    const program = await createProgram(words, { terminal, signal: interrupt.signal });
    await program.parseAsync(words, { from: "user" });
    return 0;
  } catch (error) {
    // Commander has printed its own message.
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      const message = error.message.replace(/^error: /, "");
      complain({ code: "usage", message, hint: "Run with --help to see what is allowed." });
      return EXIT_USAGE;
    }
    if (error instanceof Interrupted) {
      complain({ code: "interrupted", message: error.message, hint: undefined });
      terminal.stderr.write(`${error.message}\n`);
      return EXIT_INTERRUPTED;
    }
    complain(describeError(error));
    terminal.stderr.write(`${formatError(error, terminal, args.includes("--debug"))}\n`);
    return EXIT_FAILURE;
  }
}
