/** The options of `infer` as JSON, by their long names: how batches and manifests hold them. */
import { LatentSyncError } from "@ls/core";
import { Command, CommanderError, type Option } from "commander";
import { addInferCommand } from "./commands/infer.ts";
import { type InferFlags, withoutDefaultModel } from "./infer-job.ts";
import { NOT_OF_A_JOB, type OptionRecord } from "./option-record.ts";

/**
 * Reads the options with the parsers of the command line, so that both take and refuse the same.
 * Underscores count as hyphens.
 * @throws LatentSyncError `invalid_argument` that names what is unknown, missing or wrong.
 */
export function parseInferOptions(record: OptionRecord): InferFlags {
  const { command, parse } = createParser();
  const args = Object.entries(record).flatMap(([name, value]) =>
    argumentsOf(name.replaceAll("_", "-"), value, command.options),
  );
  try {
    return parse(args);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [message = "", ...more] = error.message.replace(/^error: /, "").split("\n");
    throw new LatentSyncError("invalid_argument", `${message}${more.join(" ")}`, {
      cause: error,
      hint: "The names are those of `latentsync-ts infer --help`, without the two hyphens.",
    });
  }
}

/** The `infer` command that gives back its options and does nothing. */
function createParser(): { command: Command; parse: (args: readonly string[]) => InferFlags } {
  const ignore = (): void => undefined;
  const program = new Command()
    .exitOverride()
    .configureOutput({ writeOut: ignore, writeErr: ignore });
  const { stdout, stderr } = process;
  addInferCommand(program, {
    terminal: { stdout, stderr },
    signal: new AbortController().signal,
  });
  const command = program.commands[0] as Command;
  let flags: InferFlags | undefined;
  command.action((options: InferFlags) => {
    flags = withoutDefaultModel(options, command);
  });
  return {
    command,
    parse: (args) => {
      program.parse(["infer", ...args], { from: "user" });
      return flags as InferFlags;
    },
  };
}

function argumentsOf(name: string, value: unknown, options: readonly Option[]): readonly string[] {
  const option = options.find(({ long }) => long === `--${name}`);
  const opposite = options.find(({ long }) => long === `--no-${name}`);
  if (NOT_OF_A_JOB.has(name) || (option === undefined && opposite === undefined)) {
    throw refuse(`There is no option "${name}" of a job.`);
  }
  if (typeof value === "boolean") {
    if (option?.required === true || option?.optional === true) {
      throw refuse(`"${name}" needs a value, but is ${value}.`);
    }
    if (value) return option === undefined ? [] : [`--${name}`];
    return opposite === undefined ? [] : [`--no-${name}`];
  }
  const text = textOf(value);
  if (text === undefined || option === undefined || !(option.required || option.optional)) {
    const expected = option?.required === true ? "text, a number or a list" : "true or false";
    throw refuse(`"${name}" must be ${expected}, but is ${JSON.stringify(value)}.`);
  }
  return [`--${name}=${text}`];
}

/** A list of numbers or words as the command line has them, with commas. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string" || typeof value === "number") return String(value);
  if (!Array.isArray(value)) return undefined;
  const parts: readonly unknown[] = value;
  return parts.every((part) => typeof part === "string" || typeof part === "number")
    ? parts.join(",")
    : undefined;
}

function refuse(message: string): LatentSyncError {
  return new LatentSyncError("invalid_argument", message, {
    hint: "The names are those of `latentsync-ts infer --help`, without the two hyphens.",
  });
}
