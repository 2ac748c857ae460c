import { FAKE_MODEL_INFO } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { createScheduler, type SchedulerName } from "../src/schedulers/create-scheduler.ts";
import { linearSteps } from "../src/schedulers/linear-steps.ts";

const config = FAKE_MODEL_INFO.scheduler;

/** The trajectory of a sample whose noise is a function of the sample and of time. */
function trajectories(
  name: SchedulerName,
  steps: number,
): { readonly stepped: number[]; readonly linear: number[] } {
  const scheduler = createScheduler({ name, config, steps });
  const noiseOf = (x: number, timestep: number): number => Math.sin(1.3 * x + timestep / 1000);
  const sampler = scheduler.start();
  const numbers = linearSteps(scheduler) ?? [];
  const stepped: number[] = [];
  const linear: number[] = [];
  let x = 0.7;
  let y = 0.7;
  let history = 0;
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    x = sampler.step(Float32Array.of(noiseOf(x, timestep)), Float32Array.of(x))[0]!;
    stepped.push(x);
    const { sample, noise, keepSample, keepNoise } = numbers[index]!;
    const e = noiseOf(y, timestep);
    const next = sample * y + noise * e + history;
    history = keepSample * y + keepNoise * e;
    y = next;
    linear.push(y);
  }
  return { stepped, linear };
}

describe("linearSteps", () => {
  it.each([
    ["ddim", 1],
    ["ddim", 20],
    ["dpmsolver++", 2],
    ["dpmsolver++", 10],
  ] as const)("are the steps of %s at %d", (name, steps) => {
    const { stepped, linear } = trajectories(name, steps);
    expect(linear).toHaveLength(steps);
    for (const [index, value] of linear.entries()) expect(value).toBeCloseTo(stepped[index]!, 4);
  });

  it("leave nothing to the next step in DDIM, and something in DPM-Solver++", () => {
    const kept = (name: SchedulerName): boolean =>
      linearSteps(createScheduler({ name, config, steps: 8 }))!.some(
        ({ keepSample, keepNoise }) => keepSample !== 0 || keepNoise !== 0,
      );
    expect(kept("ddim")).toBe(false);
    expect(kept("dpmsolver++")).toBe(true);
  });

  it("are not to be had of a sampler that looks further back", () => {
    expect(linearSteps(createScheduler({ name: "unipc", config, steps: 8 }))).toBeUndefined();
  });
});
