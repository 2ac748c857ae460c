import type { GraphSource } from "@ls/core";
import type { HostedSession, Tensors } from "./messages.ts";

/**
 * Where native sessions live: a worker thread, or the calling thread. One operation is under way
 * at a time; the caller sees to that.
 * @typeParam Options the native library's options of a session; all of them can be cloned.
 */
export interface SessionHost<Options> {
  /** Loads the native library. @returns what it can do: its execution providers or capabilities. */
  open(): Promise<readonly string[]>;
  create(source: GraphSource, options: Options): Promise<HostedSession>;
  /** Takes the feeds over: their buffers may be gone afterwards. */
  run(session: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors>;
  release(session: number): Promise<void>;
  /** Releases everything. Also succeeds after a crash. */
  close(): Promise<void>;
}
