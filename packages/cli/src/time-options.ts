/** The options that say which part of a video is used. */
import { resolveFootage } from "@ls/core";
import { type Command, InvalidArgumentError } from "commander";

/** What commander makes of {@link addTimeOptions}: seconds. */
export interface TimeFlags {
  readonly start?: number;
  readonly end?: number;
}

export function addTimeOptions(command: Command): Command {
  return command
    .option("--start <time>", "where in the video to begin: seconds, or as 01:02:03.250", seconds)
    .option("--end <time>", "where in the video to end", seconds);
}

/**
 * The part of a request that the options say.
 * @throws LatentSyncError as {@link resolveFootage}, if there is nothing between them.
 */
export function timesOf({ start, end }: TimeFlags): {
  readonly startSeconds?: number;
  readonly endSeconds?: number;
} {
  const times = {
    ...(start === undefined ? {} : { startSeconds: start }),
    ...(end === undefined ? {} : { endSeconds: end }),
  };
  resolveFootage(times);
  return times;
}

/** `90`, `90.5`, `1:30.5` and `01:02:03.250` in seconds. */
export function seconds(text: string): number {
  const parts = text.trim().split(":");
  const last = parts.pop() ?? "";
  const isTime =
    /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(last) &&
    parts.length <= 2 &&
    parts.every((part) => /^\d+$/.test(part)) &&
    // Only the first number may be larger than a clock's.
    [...parts.slice(1), ...(parts.length > 0 ? [last] : [])].every((part) => Number(part) < 60);
  if (!isTime) {
    throw new InvalidArgumentError(
      "Expected seconds such as 12.5, or a time such as 01:02:03.250.",
    );
  }
  return parts.reduce((sum, part) => (sum + Number(part)) * 60, 0) + Number(last);
}
