import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { MemoryInfo } from "@ls/core";

const QUERY_TIMEOUT_MS = 10_000;
const BYTES_PER_MEBIBYTE = 1024 ** 2;

/**
 * Memory of an NVIDIA GPU as its driver's own tool reports it; `undefined` where the tool is missing
 * or says nothing of use.
 * @param deviceId the GPU's number as CUDA counts, from 0.
 */
export async function gpuMemory(deviceId: number): Promise<MemoryInfo | undefined> {
  const id = driverName(deviceId, process.env["CUDA_VISIBLE_DEVICES"]);
  const query = ["--query-gpu=memory.total,memory.free", "--format=csv,noheader,nounits"];
  try {
    const options = { timeout: QUERY_TIMEOUT_MS };
    const { stdout } = await promisify(execFile)("nvidia-smi", [...query, `--id=${id}`], options);
    return parseGpuMemory(stdout);
  } catch {
    return undefined;
  }
}

/** What the driver calls a device: CUDA counts only those that are visible to it. */
export function driverName(deviceId: number, visible: string | undefined): string {
  const entries = (visible ?? "").split(",").flatMap((entry) => entry.trim() || []);
  return entries[deviceId] ?? String(deviceId);
}

/** @param text such as `81559, 80000`: mebibytes in all, and free. */
export function parseGpuMemory(text: string): MemoryInfo | undefined {
  const match = /^\s*(\d+)\s*,\s*(\d+)\s*$/u.exec(text);
  if (match === null) return undefined;
  const [total, free] = [Number(match[1]), Number(match[2])];
  return { totalBytes: total * BYTES_PER_MEBIBYTE, freeBytes: free * BYTES_PER_MEBIBYTE };
}
