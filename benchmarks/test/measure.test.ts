import { describe, expect, it } from "vitest";
import { type Benchmark, type BenchmarkFactory, measure, median } from "../src/measure.ts";

/** A benchmark that notes what happens to it. */
function noted(name: string, log: string[], run: () => void = () => undefined): BenchmarkFactory {
  return {
    name,
    async create(): Promise<Benchmark> {
      log.push(`create ${name}`);
      return {
        name,
        unit: "things",
        itemsPerRun: 3,
        async run() {
          log.push(name);
          run();
        },
        async [Symbol.asyncDispose]() {
          log.push(`dispose ${name}`);
        },
      };
    },
  };
}

const never = new AbortController().signal;

describe("measure", () => {
  it("runs benchmarks in turns after one warm-up each, and puts them away", async () => {
    const log: string[] = [];
    const reported: string[] = [];
    const results = await measure({
      benchmarks: [noted("a", log), noted("b", log)],
      rounds: 2,
      signal: never,
      onRun: (name, round) => reported.push(`${name} ${round}`),
    });
    expect(log).toEqual([
      ...["create a", "create b"],
      ...["a", "b", "a", "b", "a", "b"],
      ...["dispose b", "dispose a"],
    ]);
    expect(reported).toEqual(["a 0", "b 0", "a 1", "b 1"]);
    expect(results).toMatchObject([
      { name: "a", unit: "things", itemsPerRun: 3 },
      { name: "b", unit: "things", itemsPerRun: 3 },
    ]);
    for (const { milliseconds, peakMemoryBytes } of results) {
      expect(milliseconds).toHaveLength(2);
      expect(peakMemoryBytes).toBeGreaterThan(0);
    }
  });

  it("puts everything away when a run fails", async () => {
    const log: string[] = [];
    const failing = noted("b", log, () => {
      throw new Error("broken");
    });
    const benchmarks = [noted("a", log), failing];
    await expect(measure({ benchmarks, rounds: 1, signal: never })).rejects.toThrow("broken");
    expect(log.slice(-2)).toEqual(["dispose b", "dispose a"]);
  });

  it("puts away what is open when another cannot be made", async () => {
    const log: string[] = [];
    const impossible: BenchmarkFactory = {
      name: "b",
      create: () => Promise.reject(new Error("no such device")),
    };
    const benchmarks = [noted("a", log), impossible];
    await expect(measure({ benchmarks, rounds: 1, signal: never })).rejects.toThrow(
      "no such device",
    );
    expect(log).toEqual(["create a", "dispose a"]);
  });

  it("stops between two runs when it is aborted", async () => {
    const log: string[] = [];
    const controller = new AbortController();
    const benchmarks = [
      noted("a", log, () => controller.abort(new Error("enough"))),
      noted("b", log),
    ];
    const stopped = measure({ benchmarks, rounds: 5, signal: controller.signal });
    await expect(stopped).rejects.toThrow("enough");
    expect(log).toEqual(["create a", "create b", "a", "dispose b", "dispose a"]);
  });
});

describe("what measure tells beside times", () => {
  const steady: BenchmarkFactory = {
    name: "steady",
    create: async () => ({
      ...{ name: "steady", unit: "steps", itemsPerRun: 1, scale: 10, videoSeconds: 2 },
      run: async () => undefined,
      ownTimes: () => ({ milliseconds: 3, cpuMilliseconds: 4 }),
      takeMultiplyAdds: () => 5,
      output: () => Float32Array.of(1, 2),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };

  it("is scaled where a run is a part", async () => {
    const outputs: [number, Float32Array][] = [];
    const [measurement] = await measure({
      ...{ benchmarks: [steady], rounds: 2, signal: never },
      onOutput: (index, output) => outputs.push([index, output]),
    });
    expect(measurement).toMatchObject({
      ...{ milliseconds: [30, 30], cpuMilliseconds: [40, 40], multiplyAdds: 50, videoSeconds: 2 },
    });
    expect(outputs).toEqual([[0, Float32Array.of(1, 2)]]);
  });

  it("is what the instruments say: the energy of a run, the most memory of all", async () => {
    const figures = [
      { joules: 1, peakMemoryBytes: 7 },
      { joules: 3, peakMemoryBytes: 9 },
      { joules: 2, peakMemoryBytes: 8 },
    ];
    let run = 0;
    const instruments = {
      start: async () => ({ stop: async () => figures[run++] ?? {} }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const [measurement] = await measure({
      ...{ benchmarks: [steady], rounds: 3, signal: never, instruments },
    });
    expect(measurement?.device).toEqual({ joules: 2, peakMemoryBytes: 9 });
  });
});

describe("median", () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 2, 100], 3],
    [[10, 9, 8, 7, 1], 8],
  ])("of %o is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it("of nothing is no number", () => {
    expect(median([])).toBeNaN();
  });
});
