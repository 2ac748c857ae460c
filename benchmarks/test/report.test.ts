import { describe, expect, it } from "vitest";
import { formatComparison, formatReport } from "../src/format-report.ts";
import { describeEnvironment } from "../src/report.ts";

const environment = describeEnvironment({
  versions: { "latentsync-ts": "1.2.3" },
  runtime: "cpu, float32",
  model: "random-small, 128 pixels",
  command: "npx latentsync-ts bench",
});

describe("a report", () => {
  const report = formatReport({
    environment: { ...environment, cpu: "Some CPU", cores: 4, memoryBytes: 8 * 1024 ** 3 },
    hardware: {
      cpuFlags: ["avx2", "amx_bf16"],
      gpus: [
        {
          name: "NVIDIA H100",
          driver: "580.1",
          memoryBytes: 80 * 1024 ** 3,
          statedFlopsPerSecond: 989e12,
        },
      ],
    },
    peak: { flopsPerSecond: 1e12, side: 2048 },
    costPerHour: 3,
    measurements: [
      {
        name: "crop",
        unit: "frames",
        itemsPerRun: 16,
        milliseconds: [20, 10, 40],
        cpuMilliseconds: [30, 30, 30],
        peakMemoryBytes: 100 * 1024 ** 2,
      },
      {
        name: "whole",
        unit: "frames",
        itemsPerRun: 52,
        milliseconds: [2500, 2000, 3000],
        cpuMilliseconds: [4000, 5000, 6000],
        peakMemoryBytes: 700 * 1024 ** 2,
        videoSeconds: 2.5,
        multiplyAdds: 250e9,
        device: { joules: 900, peakMemoryBytes: 2 * 1024 ** 3 },
      },
    ],
  });
  const cells = (name: string): readonly string[] =>
    (report.split("\n").find((line) => line.startsWith(`| ${name} |`)) ?? "")
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1);

  it("says on what and how it was measured", () => {
    expect(report).toContain("Some CPU, 4 cores, 8 GiB");
    expect(report).toContain(`Node ${process.version}, latentsync-ts 1.2.3`);
    expect(report).toContain("Median of 3 runs after a warm-up");
    expect(report).toContain("`npx latentsync-ts bench`");
    expect(report).toMatch(/\d{4}-\d\d-\d\d/);
  });

  it("has median, spread, rate, work, energy and cost of every stage that has them", () => {
    expect(cells("stage")).toEqual([
      ...["stage", "one run", "median", "fastest - slowest", "rate", "GFLOP", "GFLOP/s"],
      ...["of measured peak", "of stated peak", "CPU time", "process memory", "GPU memory"],
      ...["energy", "energy per minute of video", "cost per minute of video"],
    ]);
    expect(cells("crop")).toEqual([
      ...["crop", "16 frames", "20.0 ms", "10.0 ms - 40.0 ms", "800 frames/s", "", "", "", ""],
      ...["30.0 ms", "100 MiB", "", "", "", ""],
    ]);
    expect(cells("whole")).toEqual([
      ...["whole", "52 frames", "2.50 s", "2.00 s - 3.00 s", "20.8 frames/s"],
      // 500 GFLOP in 2.5 s; a minute of video takes a minute, at 3 an hour.
      ...[
        "500",
        "200",
        "20 %",
        "0 %",
        "5.00 s",
        "700 MiB",
        "2048 MiB",
        "900 J",
        "6.00 Wh",
        "0.0500",
      ],
    ]);
  });

  it("names instruction sets, GPU and peak", () => {
    expect(report).toContain("Instruction sets: avx2, amx_bf16");
    expect(report).toContain("GPU: NVIDIA H100, driver 580.1, 80 GiB, 989 TFLOP/s in float16");
    expect(report).toContain("Measured peak: 1000 GFLOP/s, by products of 2048 x 2048");
  });

  it("leaves out columns that no stage has a figure for", () => {
    const mel = { name: "mel", unit: "s", itemsPerRun: 30, milliseconds: [1] };
    const measurements = [{ ...mel, cpuMilliseconds: [1], peakMemoryBytes: 1 }];
    const head = formatReport({ environment, measurements }).split("\n").at(-4);
    expect(head).toBe(
      "| stage | one run | median | fastest - slowest | rate | CPU time | process memory |",
    );
  });

  it("is a table whose rows are all as long as its head", () => {
    const rows = report.split("\n").filter((line) => line.startsWith("|"));
    expect(new Set(rows.map((row) => row.split("|").length)).size).toBe(1);
  });
});

describe("a comparison", () => {
  const side = { unit: "frames", itemsPerRun: 4, cpuMilliseconds: [5, 5], peakMemoryBytes: 1 };
  const text = formatComparison({
    ...{ environment, ours: "openvino, bfloat16", other: "cpu, float32" },
    comparisons: [
      {
        stage: "unet-step",
        ours: { ...side, name: "unet-step", milliseconds: [100, 100] },
        other: { ...side, name: "official unet-step", milliseconds: [400, 440] },
        ratio: { median: 4.2, interval: [4, 4.4] },
        cpuRatio: { median: 1, interval: [1, 1] },
        difference: { relativeError: 0.0123, cosine: 0.99991234 },
      },
    ],
  });

  it("has both times, their ratio with its interval, and how results differ", () => {
    expect(text).toContain("Ours: openvino, bfloat16. Other: cpu, float32.");
    expect(text).toContain(
      "| unet-step - official unet-step | 100 ms | 420 ms | 4.20 (4.00 - 4.40) | 1.00 (1.00 - 1.00) | 1.2e-2 | 0.999912 |",
    );
  });
});
