/** The options of a job as JSON, by their long names. */
import type { Command } from "commander";

/** Values by long names without their hyphens, such as `{ "video": "a.mp4", "inference-steps": 10 }`. */
export type OptionRecord = Readonly<Record<string, unknown>>;

/** Options that belong to the command line and not to a job. */
export const NOT_OF_A_JOB: ReadonlySet<string> = new Set(["json", "debug", "help", "temp-dir"]);

/**
 * Notes what is given on a command line, for manifests. To be called when the
 * command has all its options.
 * @returns the options that were given, by their long names; once the command is parsed.
 */
export function recordOptions(command: Command): () => OptionRecord {
  const record: Record<string, unknown> = {};
  for (const option of command.options) {
    const name = option.name();
    const long = (option.long ?? "").replace(/^--(?:no-)?/, "");
    if (NOT_OF_A_JOB.has(long)) continue;
    command.on(`option:${name}`, (text: string | null | undefined) => {
      record[long] = text ?? !option.negate;
    });
  }
  return () => ({ ...record });
}
