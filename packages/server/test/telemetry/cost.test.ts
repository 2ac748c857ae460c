import { describe, expect, it } from "vitest";
import { costDollars, estimateSeconds, updateRate } from "../../src/telemetry/cost.ts";
import { createJobEstimator } from "../../src/telemetry/estimator.ts";
import { latencyBreach } from "../../src/telemetry/latency-budget.ts";

describe("cost", () => {
  it("is a share of the price of an hour", () => {
    // An L4 at 0.73 dollars an hour for 205 s.
    expect(costDollars(205, 0.73)).toBeCloseTo(0.0416, 4);
  });

  it("is unknown before the first job, then follows the jobs", () => {
    expect(estimateSeconds(undefined, { steps: 20 })).toBeUndefined();
    const first = updateRate(undefined, { processingSeconds: 100, frames: 250, steps: 20 });
    expect(estimateSeconds(first, { steps: 20 })).toBeCloseTo(100);
    expect(estimateSeconds(first, { steps: 40, frames: 125 })).toBeCloseTo(100);
    let rate = first;
    for (let i = 0; i < 40; i++) {
      rate = updateRate(rate, { processingSeconds: 50, frames: 250, steps: 20 });
    }
    expect(estimateSeconds(rate, { steps: 20 })).toBeCloseTo(50, 3);
  });

  it("refuses a job without frames", () => {
    expect(() => updateRate(undefined, { processingSeconds: 1, frames: 0, steps: 20 })).toThrow(
      "frames and steps",
    );
  });

  it("estimates dollars where a price is known", () => {
    for (const dollarsPerHour of [undefined, 3.6]) {
      const estimator = createJobEstimator(dollarsPerHour === undefined ? {} : { dollarsPerHour });
      expect(estimator.estimate({ inference_steps: 20 })).toBeUndefined();
      estimator.learn({ inference_steps: 20 }, { frames: 0 }, 3);
      estimator.learn({ inference_steps: 20 }, { frames: 100 }, 10);
      const { seconds, dollars } = estimator.estimate({ inference_steps: 10 })!;
      expect(seconds).toBeCloseTo(5);
      if (dollarsPerHour === undefined) expect(dollars).toBeUndefined();
      else expect(dollars).toBeCloseTo(0.005);
    }
  });
});

describe("latency budget", () => {
  const job = { totalSeconds: 61, videoSeconds: 10 };

  it("holds absolutely, by length, or by the larger of both", () => {
    expect(latencyBreach({}, job)).toBeUndefined();
    expect(latencyBreach({ seconds: 60 }, job)).toEqual({ budgetSeconds: 60, actualSeconds: 61 });
    expect(latencyBreach({ secondsPerVideoSecond: 6 }, job)?.budgetSeconds).toBe(60);
    expect(latencyBreach({ secondsPerVideoSecond: 6.1 }, job)).toBeUndefined();
    expect(latencyBreach({ seconds: 30, secondsPerVideoSecond: 7 }, job)).toBeUndefined();
  });
});
