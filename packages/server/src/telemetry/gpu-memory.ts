/** GPU memory as NVIDIA's driver tells it; nothing where there is no such driver. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface GpuMemory {
  /** Index of the GPU. */
  readonly gpu: string;
  readonly usedBytes: number;
  readonly totalBytes: number;
}

export type GpuMemoryReader = () => Promise<readonly GpuMemory[]>;

const BYTES_PER_MIB = 2 ** 20;
const TIMEOUT_MS = 2000;

/**
 * A reader that asks `nvidia-smi` and keeps the answer for a while, as the program takes a good
 * part of a second. Resolves to an empty list where the program is missing or fails.
 */
export function createGpuMemoryReader(
  options: {
    /** Default `nvidia-smi`. */
    readonly program?: string;
    /** Default 5000. */
    readonly keepMs?: number;
  } = {},
): GpuMemoryReader {
  const keepMs = options.keepMs ?? 5000;
  let answer: Promise<readonly GpuMemory[]> | undefined;
  let askedMs = 0;
  return () => {
    if (answer === undefined || performance.now() - askedMs >= keepMs) {
      askedMs = performance.now();
      answer = askDriver(options.program ?? "nvidia-smi");
    }
    return answer;
  };
}

async function askDriver(program: string): Promise<readonly GpuMemory[]> {
  try {
    const { stdout } = await promisify(execFile)(
      program,
      ["--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits"],
      { timeout: TIMEOUT_MS },
    );
    return parseGpuMemory(stdout);
  } catch {
    return [];
  }
}

/** Lines such as `0, 1234, 81559`, in MiB; lines without figures, such as `0, [N/A], [N/A]`, are left out. */
export function parseGpuMemory(text: string): readonly GpuMemory[] {
  return text
    .split("\n")
    .map((line) => /^\s*(\d+),\s*(\d+),\s*(\d+)\s*$/.exec(line))
    .filter((match) => match !== null)
    .map(([, gpu, used, total]) => ({
      gpu: String(gpu),
      usedBytes: Number(used) * BYTES_PER_MIB,
      totalBytes: Number(total) * BYTES_PER_MIB,
    }));
}
