import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { freshProcess } from "../src/fresh-process.ts";

const { signal } = new AbortController();

describe("a fresh process", () => {
  it("is started for every run, in a folder that is gone at the end", async () => {
    const outputs: string[] = [];
    const script = "require('node:fs').writeFileSync(process.argv[1], 'video')";
    const factory = freshProcess({
      name: "infer",
      command: (output) => {
        outputs.push(output);
        return [process.execPath, "--eval", script, "--", output];
      },
    });
    const benchmark = await factory.create(signal);
    await benchmark.run();
    await benchmark.run();
    expect(outputs.map((output) => existsSync(output))).toEqual([true, true]);
    expect(new Set(outputs).size).toBe(2);
    await benchmark[Symbol.asyncDispose]();
    expect(outputs.some((output) => existsSync(output))).toBe(false);
  });

  it.skipIf(process.platform !== "linux")("tells the program's own processor time", async () => {
    const busy =
      "const end = process.cpuUsage().user + 2e5; while (process.cpuUsage().user < end);";
    const command = (): [string, ...string[]] => [process.execPath, "--eval", busy];
    await using benchmark = await freshProcess({ name: "infer", command }).create(signal);
    await benchmark.run();
    const { milliseconds, cpuMilliseconds } = benchmark.ownTimes?.() ?? {};
    expect(milliseconds).toBeGreaterThan(0);
    // What it uses up by itself, 200 ms, in a clock of 10 ms.
    expect(cpuMilliseconds).toBeGreaterThanOrEqual(190);
  });

  it("fails with what the program said", async () => {
    const script = "console.error('no face'); process.exit(3)";
    const factory = freshProcess({
      name: "infer",
      command: () => [process.execPath, "--eval", script],
    });
    await using benchmark = await factory.create(signal);
    await expect(benchmark.run()).rejects.toThrow(/ended with code 3\.\nno face/);
  });
});
