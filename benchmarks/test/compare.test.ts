import { describe, expect, it } from "vitest";
import { compareOutputs, comparePairs, ratioOf } from "../src/compare.ts";
import type { BenchmarkFactory } from "../src/measure.ts";

const never = new AbortController().signal;

/** A benchmark that says how long it took, and when it ran. */
function stated(
  name: string,
  times: readonly number[],
  log: string[],
  output: readonly number[],
): BenchmarkFactory {
  let run = -1;
  return {
    name,
    create: async () => ({
      ...{ name, unit: "things", itemsPerRun: 1 },
      async run() {
        log.push(name);
        run++;
      },
      ownTimes: () => ({ milliseconds: times[run - 1] ?? 0, cpuMilliseconds: 10 }),
      output: () => Float32Array.from(output),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  };
}

describe("a comparison", () => {
  it("takes turns, begins with the other in every second round, and divides per round", async () => {
    const log: string[] = [];
    const told: string[] = [];
    const [comparison] = await comparePairs({
      pairs: [
        {
          stage: "step",
          ours: stated("a", [10, 20, 30], log, [1, 2]),
          other: stated("b", [40, 40, 90], log, [1, 2]),
        },
      ],
      ...{ rounds: 3, signal: never },
      onRun: (name, round) => told.push(`${name} ${round}`),
      onComparison: ({ stage }) => told.push(stage),
    });
    expect(log.join(" ")).toBe("a b a b b a a b");
    expect(told.at(-1)).toBe("step");
    expect(comparison?.ratio.median).toBe(3);
    expect(comparison?.ratio.interval).toEqual([2, 4]);
    expect(comparison?.cpuRatio).toEqual({ median: 1, interval: [1, 1] });
    expect(comparison?.difference?.relativeError).toBe(0);
    expect(comparison?.difference?.cosine).toBeCloseTo(1, 12);
  });
});

describe("the interval of a ratio", () => {
  it("narrows with the number of rounds, and is the same at every call", () => {
    const rounds = (count: number): number[] =>
      Array.from({ length: count }, (_, index) => 2 + Math.sin(index * 7.3));
    const ones = (count: number): number[] => Array.from({ length: count }, () => 1);
    const width = (count: number): number => {
      const { interval } = ratioOf(rounds(count), ones(count));
      return interval[1] - interval[0];
    };
    expect(width(90)).toBeLessThan(0.7 * width(9));
    expect(ratioOf(rounds(9), ones(9))).toEqual(ratioOf(rounds(9), ones(9)));
  });
});

describe("a difference of outputs", () => {
  it("is their distance relative to the second, and their angle", () => {
    const difference = compareOutputs(Float32Array.of(3, 5), Float32Array.of(3, 4));
    expect(difference?.relativeError).toBeCloseTo(0.2, 12);
    expect(difference?.cosine).toBeCloseTo(29 / (5 * Math.sqrt(34)), 12);
  });

  it("is nothing between outputs of other sizes", () => {
    expect(compareOutputs(Float32Array.of(1), Float32Array.of(1, 2))).toBeUndefined();
    expect(compareOutputs(undefined, Float32Array.of(1))).toBeUndefined();
  });
});
