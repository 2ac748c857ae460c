/**
 * A whole dispatcher as a process of its own, to be stopped and killed. Its argument is a JSON
 * `DispatcherProcessOptions`; it prints what happens, a JSON object in each line.
 */
import { aborted, Harness } from "./harness.ts";

export interface DispatcherProcessOptions {
  readonly folder: string;
  readonly leaseMs: number;
  readonly workers?: number;
  /** `kill_after_put`: it dies when the PUT is done; `wait_before_put`: the PUT waits for an abort. */
  readonly put?: "kill_after_put" | "wait_before_put";
}

export type DispatcherReport =
  | { readonly type: "worker"; readonly state: string; readonly pid: number | undefined }
  | { readonly type: "putting" }
  | { readonly type: "ended"; readonly outcome: string }
  | { readonly type: "drained" };

function say(report: DispatcherReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

const { folder, leaseMs, put, workers } = JSON.parse(
  process.argv[2] ?? "{}",
) as DispatcherProcessOptions;
const harness = await Harness.open({ folder, limits: { leaseMs }, workers: workers ?? 1 });
if (put === "kill_after_put") {
  harness.files.afterPut = async () => {
    process.kill(process.pid, "SIGKILL");
    await new Promise(() => {});
  };
}
if (put === "wait_before_put") {
  harness.files.beforePut = async (signal) => {
    say({ type: "putting" });
    await aborted(signal);
  };
}
const dispatcher = harness.start({
  observer: {
    workerStateChanged: ({ state, pid }) => say({ type: "worker", state, pid }),
    jobFinished: (_, { outcome }) => say({ type: "ended", outcome: outcome.kind }),
  },
});
process.once("SIGTERM", () => {
  void dispatcher.drain().then(async () => {
    say({ type: "drained" });
    await harness.queue[Symbol.asyncDispose]();
  });
});
