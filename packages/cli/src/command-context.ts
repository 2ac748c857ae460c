import type { Terminal } from "./terminal.ts";

/** What every command gets beside its options. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}
