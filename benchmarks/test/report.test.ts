import { describe, expect, it } from "vitest";
import { describeEnvironment, formatReport } from "../src/report.ts";

const environment = describeEnvironment({
  versions: { "latentsync-ts": "1.2.3" },
  runtime: "cpu, float32",
  model: "random-small, 128 pixels",
  command: "npx latentsync-ts bench",
});

describe("a report", () => {
  const report = formatReport({
    environment: { ...environment, cpu: "Some CPU", cores: 4, memoryBytes: 8 * 1024 ** 3 },
    measurements: [
      {
        name: "crop",
        unit: "frames",
        itemsPerRun: 16,
        milliseconds: [20, 10, 40],
        peakMemoryBytes: 100 * 1024 ** 2,
      },
      {
        name: "whole",
        unit: "frames",
        itemsPerRun: 52,
        milliseconds: [2500, 2000, 3000],
        peakMemoryBytes: 700 * 1024 ** 2,
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

  it("has median, spread, rate and memory of every stage", () => {
    expect(cells("crop")).toEqual([
      ...["crop", "16 frames", "20.0 ms", "10.0 ms - 40.0 ms", "800 frames/s", "100 MiB"],
    ]);
    expect(cells("whole")).toEqual([
      ...["whole", "52 frames", "2.50 s", "2.00 s - 3.00 s", "20.8 frames/s", "700 MiB"],
    ]);
  });

  it("is a table whose rows are all as long as its head", () => {
    const rows = report.split("\n").filter((line) => line.startsWith("|"));
    expect(new Set(rows.map((row) => row.split("|").length)).size).toBe(1);
  });
});
