import {
  difference,
  hasReference,
  readGoldenTensors,
  reference,
  referenceTitle,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import type { NoiseScheduleConfig } from "../src/model.ts";
import { createScheduler, type SchedulerName } from "../src/schedulers/create-scheduler.ts";
import { alphasCumprod, noiseLevels } from "../src/schedulers/noise-schedule.ts";
import type { Scheduler } from "../src/schedulers/scheduler.ts";
import type { TimestepSpacing } from "../src/schedulers/timesteps.ts";

const CONFIG: NoiseScheduleConfig = {
  trainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  stepsOffset: 1,
  setAlphaToOne: false,
  clipSample: false,
};

/** The noise that a model finds in a sample. */
type Model = (sample: Float32Array, timestep: number) => Float32Array;

/** The samples after every step. */
function trajectory(scheduler: Scheduler, start: Float32Array, model: Model): Float32Array[] {
  const sampler = scheduler.start();
  let sample = start;
  return scheduler.timesteps.map((timestep) => {
    sample = sampler.step(model(sample, timestep), sample);
    return sample;
  });
}

function expectEqualSteps(
  steps: readonly Float32Array[],
  golden: readonly Float32Array[],
  tolerance: number,
): void {
  expect(steps).toHaveLength(golden.length);
  for (const [index, expected] of golden.entries()) {
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const { maxAbsolute } = difference(steps[index]!, expected);
    expect(maxAbsolute / largest, `step ${index}`).toBeLessThan(tolerance);
  }
}

describe.skipIf(!hasReference)(referenceTitle("schedulers.safetensors"), () => {
  const tensors = hasReference ? readGoldenTensors(reference("schedulers.safetensors")) : undefined;
  const golden = (name: string): Float32Array =>
    Float32Array.from(tensors?.get(name)?.data ?? [], Number);
  const goldenSteps = (name: string, steps: number): Float32Array[] => {
    const all = golden(name);
    const size = all.length / steps;
    return Array.from({ length: steps }, (_, index) => all.slice(index * size, (index + 1) * size));
  };
  const model: Model = (sample, timestep) =>
    sample.map((value) => Math.sin(Math.fround(1.3 * value) + timestep / 1000));

  const cases: (readonly [string, SchedulerName, TimestepSpacing])[] = [
    ["dpmpp_2m_leading", "dpmsolver++", "leading"],
    ["dpmpp_2m_linspace", "dpmsolver++", "linspace"],
    ["dpmpp_2m_trailing", "dpmsolver++", "trailing"],
    ["unipc_bh2_leading", "unipc", "leading"],
  ];

  describe.each(cases)("%s", (name, scheduler, spacing) => {
    it.each([5, 10])("is followed in %i steps", (steps) => {
      const made = createScheduler({ name: scheduler, config: CONFIG, steps, spacing });
      expect(made.timesteps).toEqual([...golden(`${name}_${steps}_timesteps`)]);
      // Differences of an ulp grow along the way: the model's slope is over 1.
      expectEqualSteps(
        trajectory(made, golden("start"), model),
        goldenSteps(`${name}_${steps}`, steps),
        3e-6,
      );
    });
  });

  it.each([5, 10])("euler_leading is DDIM to a clean end, in other units, in %i steps", (steps) => {
    const scheduler = createScheduler({
      name: "ddim",
      config: { ...CONFIG, setAlphaToOne: true },
      steps,
    });
    expect(scheduler.timesteps).toEqual([...golden(`euler_leading_${steps}_timesteps`)]);
    const levels = noiseLevels(CONFIG, scheduler.timesteps);
    const expected = goldenSteps(`euler_leading_${steps}`, steps).map((values, index) =>
      values.map((value) => value * levels[index + 1]!.alpha),
    );
    expectEqualSteps(trajectory(scheduler, golden("start"), model), expected, 3e-6);
  });
});

/** Last samples of diffusers 0.32.2 where the model is eps(x) = 0.8 cos x, from (1.5, -0.25, 0.75). */
const FIXTURE: (readonly [SchedulerName, TimestepSpacing, readonly number[], readonly number[]])[] =
  [
    ["dpmsolver++", "leading", [501], [2.7685096, -1.7353054, 0.4797665]],
    ["dpmsolver++", "leading", [667, 334], [5.2684617, -2.2276533, 0.6565884]],
    ["dpmsolver++", "leading", [801, 601, 401, 201], [7.8720107, -2.4661787, 1.5239599]],
    ["dpmsolver++", "linspace", [999, 749, 500, 250], [20.9009151, -8.8141651, 5.3768907]],
    ["dpmsolver++", "trailing", [999, 749, 499, 249], [20.8724194, -8.8028269, 5.3737683]],
    ["unipc", "leading", [501], [2.7685096, -1.7353054, 0.4797665]],
    ["unipc", "leading", [667, 334], [5.2684617, -2.2276533, 0.6565884]],
    ["unipc", "leading", [801, 601, 401, 201], [7.8769989, -2.3361301, 1.6121259]],
    ["unipc", "linspace", [999, 749, 500, 250], [20.9282055, -7.5144663, 5.6083922]],
    ["unipc", "trailing", [999, 749, 499, 249], [20.8980694, -7.5123048, 5.6046896]],
  ];

describe.each(FIXTURE)("%s, %s, at the timesteps %j", (name, spacing, timesteps, expected) => {
  it("ends where diffusers ends", () => {
    const steps = timesteps.length;
    const scheduler = createScheduler({ name, config: CONFIG, steps, spacing });
    expect(scheduler.timesteps).toEqual(timesteps);
    const cosine: Model = (sample) => sample.map((value) => 0.8 * Math.cos(value));
    const last = trajectory(scheduler, Float32Array.of(1.5, -0.25, 0.75), cosine).at(-1)!;
    expect(difference(last, expected).maxAbsolute / 20).toBeLessThan(1e-6);
  });
});

describe.each(["dpmsolver++", "unipc"] as const)("%s", (name) => {
  const create = (steps: number, spacing?: TimestepSpacing): Scheduler =>
    createScheduler({ name, config: CONFIG, steps, ...(spacing === undefined ? {} : { spacing }) });

  /**
   * For data that are normal with this deviation the best prediction of the noise and the exact path
   * are known: the sample keeps its distance from the mean in deviations of its own.
   */
  const DEVIATION = 0.3;
  const alphas = alphasCumprod(CONFIG);
  const deviationAt = (timestep: number): number => {
    const signal = alphas[timestep]!;
    return Math.sqrt(signal * DEVIATION ** 2 + 1 - signal);
  };
  const normal: Model = (sample, timestep) =>
    sample.map((value) => (Math.sqrt(1 - alphas[timestep]!) * value) / deviationAt(timestep) ** 2);
  const errorIn = (scheduler: Scheduler): number => {
    const steps = trajectory(scheduler, Float32Array.of(1), normal);
    // The last step, to the clean sample, is of first order and says nothing of the method's order.
    const [arrived] = steps.at(-2)!;
    const first = deviationAt(scheduler.timesteps[0]!);
    return Math.abs(arrived! / (deviationAt(scheduler.timesteps.at(-1)!) / first) - 1);
  };

  it.each([10, 20, 40])(
    "comes far nearer to the exact path than DDIM does in %i steps",
    (steps) => {
      const ddim = createScheduler({ name: "ddim", config: CONFIG, steps });
      expect(errorIn(create(steps, "linspace"))).toBeLessThan(errorIn(ddim) / 4);
    },
  );

  it("ends at the clean sample when the prediction is the noise that was added", () => {
    const scheduler = create(4);
    const { alpha, sigma } = noiseLevels(CONFIG, scheduler.timesteps)[0]!;
    const clean = Float32Array.of(0.5, -1, 2);
    const noise = Float32Array.of(1, 0.3, -0.7);
    const noisy = clean.map((value, index) => alpha * value + sigma * noise[index]!);
    const last = trajectory(scheduler, noisy, () => noise).at(-1)!;
    expect(difference(last, clean).maxAbsolute).toBeLessThan(1e-5);
  });

  it("remembers nothing of another sample, of which several may be under way", () => {
    const scheduler = create(5);
    const model: Model = (sample) => sample.map(Math.sin);
    const starts = [Float32Array.of(1, -2), Float32Array.of(-0.5, 0.25)];
    const expected = starts.map((start) => trajectory(create(5), start, model).at(-1));
    const samplers = starts.map(() => scheduler.start());
    let samples: Float32Array[] = starts;
    for (let step = 0; step < 5; step++) {
      samples = samples.map((sample, index) => samplers[index]!.step(model(sample, 0), sample));
    }
    expect(samples).toEqual(expected);
    expect(trajectory(scheduler, starts[0]!, model).at(-1)).toEqual(expected[0]);
  });

  it("takes as many steps as there are timesteps, of equal lengths", () => {
    const sampler = create(1).start();
    const zeros = new Float32Array(3);
    expect(() => sampler.step(new Float32Array(2), zeros)).toThrow(
      /2 predictions for a sample of 3/,
    );
    sampler.step(zeros, zeros);
    expect(() => sampler.step(zeros, zeros)).toThrow(/Step 1 of 1/);
  });

  it.each([0, -1, 1.5, 1001, Number.NaN])("refuses %d steps", (steps) => {
    expect(() => create(steps)).toThrow(/integer from 1 to 1000/);
  });

  it("refuses more steps than there is room for", () => {
    expect(() => create(999)).toThrow(/999 inference steps do not fit/);
    expect(create(499).timesteps[0]).toBe(999);
  });
});
