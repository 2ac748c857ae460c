import type { GraphSource } from "@ls/core";
import type { HostedSession, NativeSessionOptions, Tensors } from "./messages.ts";

/**
 * Where native sessions live: a worker thread, or the calling thread. One operation is under way
 * at a time; the caller sees to that.
 */
export interface SessionHost {
  /** Loads the native library. @returns the execution providers it was built with. */
  open(): Promise<readonly string[]>;
  create(source: GraphSource, options: NativeSessionOptions): Promise<HostedSession>;
  /** Takes the feeds over: their buffers may be gone afterwards. */
  run(session: number, feeds: Tensors, outputs: readonly string[]): Promise<Tensors>;
  release(session: number): Promise<void>;
  /** Releases everything. Also succeeds after a crash. */
  close(): Promise<void>;
}
