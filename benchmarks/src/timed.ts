export interface Timed<T> {
  readonly result: T;
  readonly milliseconds: number;
  /** Time of all threads of this process, in user and system mode: no other process is in it. */
  readonly cpuMilliseconds: number;
  /** Resident memory of the process at most meanwhile. */
  readonly peakMemoryBytes: number;
}

const MEMORY_SAMPLE_MS = 20;

/** How long `work` takes, and the process's resident memory at most meanwhile. */
export async function timed<T>(work: () => Promise<T>): Promise<Timed<T>> {
  let peakMemoryBytes = process.memoryUsage.rss();
  const sampler = setInterval(() => {
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
  }, MEMORY_SAMPLE_MS);
  try {
    const start = performance.now();
    const startCpu = process.cpuUsage();
    const result = await work();
    const milliseconds = performance.now() - start;
    const { user, system } = process.cpuUsage(startCpu);
    const cpuMilliseconds = (user + system) / 1000;
    peakMemoryBytes = Math.max(peakMemoryBytes, process.memoryUsage.rss());
    return { result, milliseconds, cpuMilliseconds, peakMemoryBytes };
  } finally {
    clearInterval(sampler);
  }
}
