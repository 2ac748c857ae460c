/** Ctrl-C and termination as an `AbortSignal`, so that everything is put away before the process ends. */
import { LatentSyncError } from "@ls/core";
import type { Terminal } from "./terminal.ts";

/** The program was asked to stop; it exits with 130, as shells expect after Ctrl-C. */
export class Interrupted extends LatentSyncError {
  constructor(signal: string) {
    super("io", `Stopped by ${signal}; nothing was left behind.`);
    this.name = "Interrupted";
  }
}

const ignoreError = (): void => undefined;

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Listens until disposed. A second Ctrl-C ends the process at once. A reader of the results that
 * goes away (`| head`) also ends the work; nobody listening to messages does not.
 */
export function listenForInterrupt({ stdout, stderr }: Terminal): Interrupt {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted(name));
  };
  const onOutputError = (error: Error): void => {
    controller.abort(
      new LatentSyncError("io", "The output is no longer being read.", { cause: error }),
    );
  };
  stdout.on("error", onOutputError);
  // These stay for good: the last words may fail to be written after everything else has ended.
  for (const stream of [stdout, stderr]) {
    if (!stream.listeners("error").includes(ignoreError)) stream.on("error", ignoreError);
  }
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      stdout.off("error", onOutputError);
      for (const name of names) process.off(name, stop);
    },
  };
}
