/**
 * A thread that ends its process once the parent is gone. The main thread may be inside native code
 * for minutes, where it notices nothing, and would meanwhile hold the device and its memory.
 */
import { workerData } from "node:worker_threads";

const CHECK_MS = 500;

export interface ParentWatchData {
  readonly parentPid: number;
}

if (workerData !== null) {
  const { parentPid } = workerData as ParentWatchData;
  setInterval(() => {
    if (process.ppid !== parentPid) process.kill(process.pid, "SIGKILL");
  }, CHECK_MS);
}
