/**
 * A worker that is stopped while its native code runs takes the whole process down with SIGABRT:
 * the binding throws a C++ exception when it finds its environment gone. `process.exit` stops
 * workers, so it has to wait until each is out of native code. (It waits for the running call in
 * any case: a thread inside native code cannot be stopped.)
 */
import { WORKER_STATE } from "./messages.ts";

const guarded = new Set<Int32Array>();

function settle(state: Int32Array): void {
  const { idle, requested, working, ending } = WORKER_STATE;
  for (;;) {
    const seen = Atomics.load(state, 0);
    if (seen === working) {
      Atomics.wait(state, 0, working);
    } else if (seen === idle || seen === requested) {
      if (Atomics.compareExchange(state, 0, seen, ending) === seen) return;
    } else {
      return;
    }
  }
}

function settleAll(): void {
  for (const state of guarded) settle(state);
}

/** Makes `process.exit` wait for the worker with this state word, until disposed. */
export function guardExit(state: Int32Array): Disposable {
  if (guarded.size === 0) process.on("exit", settleAll);
  guarded.add(state);
  return {
    [Symbol.dispose]: () => {
      guarded.delete(state);
      if (guarded.size === 0) process.off("exit", settleAll);
    },
  };
}
