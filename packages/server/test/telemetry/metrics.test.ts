import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createGpuMemoryReader, parseGpuMemory } from "../../src/telemetry/gpu-memory.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

const counts = { queued: 3, processing: 1, completed: 7, failed: 2, deadLetter: 1 };
const quiet = { gpuMemory: async () => [], processMetrics: false };

describe("metrics", () => {
  it("asks the queue at each reading", async () => {
    let queued = 3;
    const metrics = createMetrics({
      ...quiet,
      queue: { counts: async () => ({ ...counts, queued: queued++ }) },
    });
    expect((await metrics.render()).body).toContain('latentsync_queue_jobs{status="queued"} 3\n');
    const { body, contentType } = await metrics.render();
    expect(contentType).toContain("text/plain");
    expect(body).toContain('latentsync_queue_jobs{status="queued"} 4\n');
    expect(body).toContain('latentsync_queue_jobs{status="dead_letter"} 1\n');
    expect(body).toContain("latentsync_queue_up 1\n");
  });

  it("answers without a queue that fails or never answers", async () => {
    const failing = createMetrics({
      ...quiet,
      queue: { counts: () => Promise.reject(new Error("away")) },
    });
    const silent = createMetrics({
      ...quiet,
      queue: { counts: () => new Promise(() => {}) },
      queueTimeoutMs: 20,
    });
    for (const metrics of [failing, silent]) {
      const { body } = await metrics.render();
      expect(body).toContain("latentsync_queue_up 0\n");
      expect(body).not.toContain("latentsync_queue_jobs{");
    }
  });

  it("keeps two servers in a process apart", async () => {
    const [a, b] = [1, 2].map(() =>
      createMetrics({ ...quiet, queue: { counts: async () => counts } }),
    );
    a?.leasesLost.inc();
    expect((await a?.render())?.body).toContain("latentsync_leases_lost_total 1\n");
    expect((await b?.render())?.body).toContain("latentsync_leases_lost_total 0\n");
  });

  it("tells the memory of GPUs and of the process", async () => {
    const metrics = createMetrics({
      queue: { counts: async () => counts },
      gpuMemory: async () => [{ gpu: "0", usedBytes: 5, totalBytes: 9 }],
    });
    const { body } = await metrics.render();
    expect(body).toContain('latentsync_gpu_memory_used_bytes{gpu="0"} 5\n');
    expect(body).toContain('latentsync_gpu_memory_total_bytes{gpu="0"} 9\n');
    expect(body).toMatch(/^process_resident_memory_bytes \d+/m);
  });

  it("names every metric with a prefix and its unit", async () => {
    const { body } = await createMetrics({
      ...quiet,
      queue: { counts: async () => counts },
    }).render();
    const names = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(12);
    for (const name of names) {
      expect(name).toMatch(/^latentsync_\w+?(_total|_seconds|_bytes|_jobs|_up|_per_second)$/);
    }
  });
});

describe("GPU memory", () => {
  it("reads figures in MiB and leaves out what has none", () => {
    expect(parseGpuMemory("0, 1024, 2048\n1, [N/A], [N/A]\n")).toEqual([
      { gpu: "0", usedBytes: 2 ** 30, totalBytes: 2 ** 31 },
    ]);
  });

  it("is empty without the program", async () => {
    expect(await createGpuMemoryReader({ program: "/nowhere/nvidia-smi" })()).toEqual([]);
  });

  it("asks a program once in a while", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gpu-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const program = join(folder, "smi");
    await writeFile(
      program,
      `#!/bin/sh\necho x >> "${folder}/calls"\nwc -l < "${folder}/calls" | sed 's/.*/0, &, 8/'\n`,
    );
    await chmod(program, 0o755);
    const kept = createGpuMemoryReader({ program, keepMs: 60_000 });
    expect(await kept()).toEqual(await kept());
    const fresh = createGpuMemoryReader({ program, keepMs: 0 });
    expect((await fresh())[0]?.usedBytes).toBe(2 * 2 ** 20);
    expect((await fresh())[0]?.usedBytes).toBe(3 * 2 ** 20);
  });
});
