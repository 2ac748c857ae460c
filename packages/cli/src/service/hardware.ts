/** What the networks run on, in words, for manifests. */
import { execFile } from "node:child_process";
import { cpus } from "node:os";
import { promisify } from "node:util";

const PROBE_TIMEOUT_MS = 10_000;

/** @param runtime a runtime's name, such as `cpu` or `cuda`. */
export async function describeHardware(runtime: string): Promise<string> {
  const cpu = `${cpus()[0]?.model.trim() ?? "unknown CPU"}, ${cpus().length} cores`;
  return runtime === "cuda" ? `${await nvidiaGpu()}; ${cpu}` : cpu;
}

/** As the driver's own tool names it; the first one, which is the one that is used. */
async function nvidiaGpu(): Promise<string> {
  const query = ["--query-gpu=name", "--format=csv,noheader", "--id=0"];
  const options = { timeout: PROBE_TIMEOUT_MS };
  return promisify(execFile)("nvidia-smi", query, options).then(
    ({ stdout }) => stdout.trim(),
    () => "unknown NVIDIA GPU",
  );
}
