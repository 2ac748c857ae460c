import { describe, expect, it } from "vitest";
import { createChartLines, sampleCharts } from "../../src/telemetry/chart-lines.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

describe("chart lines", () => {
  it("writes whole lines of the hosts' form, whole between log lines", () => {
    const written: string[] = [];
    const destination = { write: (line: string) => void written.push(line) };
    const charts = createChartLines({ destination, now: () => 1_700_000_000_999 });
    const logger = createLogger({ destination });
    charts.point("frames_per_second", 12.5);
    logger.info("between");
    charts.point("queue_depth", Number.NaN);
    charts.point("queue_depth", 0);
    expect(written[0]).toBe('{"chart":"frames_per_second","y":12.5,"x":1700000000}\n');
    expect(written[2]).toBe('{"chart":"queue_depth","y":0,"x":1700000000}\n');
    expect(written).toHaveLength(3);
  });

  it("samples the queue and the GPUs until it is ended, and survives a queue that is away", async () => {
    const points: [string, number][] = [];
    const stop = new AbortController();
    let reading = 0;
    await sampleCharts({
      charts: { point: (chart, y) => void points.push([chart, y]) },
      queue: {
        counts: async () => {
          reading += 1;
          if (reading === 1) throw new Error("away");
          stop.abort();
          return { queued: 4, processing: 0, completed: 0, failed: 0, deadLetter: 0 };
        },
      },
      gpuMemory: async () => [
        { gpu: "0", usedBytes: 2 ** 30, totalBytes: 2 ** 34 },
        { gpu: "1", usedBytes: 2 ** 29, totalBytes: 2 ** 34 },
      ],
      intervalMs: 1,
      signal: stop.signal,
    });
    expect(points).toEqual([
      ["gpu_memory_gib", 1.5],
      ["queue_depth", 4],
      ["gpu_memory_gib", 1.5],
    ]);
  });
});
