/** How the program speaks: results on stdout, everything else on stderr, after clig.dev. */
import { styleText } from "node:util";
import { LatentSyncError } from "@ls/core";

/** Where a command writes; a test may pass its own. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export type Style = Parameters<typeof styleText>[0];

/** Colours text if the stream is a terminal and `NO_COLOR` is not set. */
export function paint(stream: NodeJS.WritableStream, style: Style, text: string): string {
  // `styleText` looks at the stream, NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR.
  return styleText(style, text, { stream, validateStream: true });
}

/** What went wrong, and what to do about it. */
export interface Complaint {
  /** A `LatentSyncError`'s code, `interrupted`, `usage`, or `internal` for a fault of the program. */
  readonly code: string;
  /** One line. */
  readonly message: string;
  readonly hint: string | undefined;
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s*\n\s*/g, " ");

/** One line, but for lists, whose lines are indented by two. */
const withLists = (text: string): string => text.trim().replaceAll(/\s*\n(?! {2}\S)\s*/g, " ");

/** What a person or a program should be told of an error. */
export function describeError(error: unknown): Complaint {
  const message = oneLine(error instanceof Error ? error.message : String(error));
  if (LatentSyncError.is(error)) return { code: error.code, message, hint: error.hint };
  // What the system refuses, a folder that cannot be written for example, is no fault of the program.
  if (error instanceof Error && "syscall" in error) {
    return { code: "io", message, hint: "Check the path, its permissions and the free space." };
  }
  const hint = "This should not have happened; run again with --debug and report what it prints.";
  return { code: "internal", message, hint };
}

/**
 * One line for what went wrong, with the lists that belong to it, and one for what to do; the stack
 * only when it was asked for.
 */
export function formatError(error: unknown, terminal: Terminal, debug: boolean): string {
  const label = paint(terminal.stderr, "red", "error:");
  if (debug) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const cause =
      error instanceof Error && error.cause !== undefined ? `\n${formatCause(error.cause)}` : "";
    return `${label} ${stack}${cause}`;
  }
  const { message: oneLiner, hint } = describeError(error);
  const message = LatentSyncError.is(error) ? withLists(error.message) : oneLiner;
  return hint === undefined ? `${label} ${message}` : `${label} ${message}\n${hint}`;
}

function formatCause(cause: unknown): string {
  return `caused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
}

/** `75` as `1:15`, `3725` as `1:02:05`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const twoDigits = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = twoDigits(whole % 60);
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${twoDigits(minutes)}:${rest}`;
}

/** `1536` as `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
