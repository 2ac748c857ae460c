import {
  difference,
  hasReference,
  readGoldenTensors,
  reference,
  referenceTitle,
} from "@ls/testing";
import { describe, expect, it } from "vitest";
import type { NoiseScheduleConfig } from "../src/model.ts";
import { createScheduler } from "../src/schedulers/create-scheduler.ts";
import { alphasCumprod } from "../src/schedulers/noise-schedule.ts";
import type { Scheduler } from "../src/schedulers/scheduler.ts";

const CONFIG: NoiseScheduleConfig = {
  trainTimesteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  stepsOffset: 1,
  setAlphaToOne: false,
  clipSample: false,
};

const ddim = (steps: number, config: NoiseScheduleConfig = CONFIG): Scheduler =>
  createScheduler({ name: "ddim", config, steps });

describe.skipIf(!hasReference)(referenceTitle("ddim.safetensors"), () => {
  const tensors = hasReference ? readGoldenTensors(reference("ddim.safetensors")) : undefined;
  const golden = (name: string): Float32Array =>
    Float32Array.from(tensors?.get(name)?.data ?? [], Number);

  it("has the noise schedule of diffusers", () => {
    expect(alphasCumprod(CONFIG)).toEqual(golden("alphas_cumprod"));
  });

  it.each([1, 2, 6, 10, 20, 25, 50])("takes the timesteps of diffusers in %i steps", (steps) => {
    const expected = [...golden(`timesteps_${steps}`)];
    expect(ddim(steps).timesteps).toEqual(expected);
  });

  it("follows the golden trajectory, each step to a unit or two in the last place", () => {
    const scheduler = ddim(20);
    const sampler = scheduler.start();
    const trajectory = golden("traj_20");
    let sample = golden("traj_start");
    for (const [index, timestep] of scheduler.timesteps.entries()) {
      const noise = sample.map((value) => Math.sin(1.3 * value + timestep / 1000));
      const expected = trajectory.slice(index * sample.length, (index + 1) * sample.length);
      const next = sampler.step(noise, sample);
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const { maxAbsolute } = difference(next, expected);
      expect(maxAbsolute / largest, `step ${index}`).toBeLessThan(3e-7);
      sample = expected;
    }
  });
});

describe("DDIM", () => {
  it("finds the clean sample in one step when the prediction is the noise that was added", () => {
    const [timestep] = ddim(4).timesteps as [number];
    const alpha = alphasCumprod(CONFIG)[timestep] as number;
    const clean = Float32Array.of(0.5, -1, 2);
    const noise = Float32Array.of(1, 0.3, -0.7);
    const noisy = clean.map(
      (value, index) => Math.sqrt(alpha) * value + Math.sqrt(1 - alpha) * noise[index]!,
    );
    const sampler = ddim(4).start();
    let sample: Float32Array = noisy;
    for (let index = 0; index < 4; index++) sample = sampler.step(noise, sample);
    const last = alphasCumprod(CONFIG)[0] as number;
    const expected = clean.map(
      (value, index) => Math.sqrt(last) * value + Math.sqrt(1 - last) * noise[index]!,
    );
    expect(difference(sample, expected).maxAbsolute).toBeLessThan(1e-5);
  });

  it.each([0, -1, 1.5, 1001, Number.NaN])("refuses %d steps", (steps) => {
    expect(() => ddim(steps)).toThrow(/integer from 1 to 1000/);
  });

  it("refuses a thousand steps, the first of which would lie beyond the schedule", () => {
    expect(() => ddim(1000)).toThrow(/1000 inference steps do not fit into the 1000 timesteps/);
    expect(ddim(999).timesteps[0]).toBe(999);
  });

  it("refuses clip_sample", () => {
    expect(() => ddim(4, { ...CONFIG, clipSample: true })).toThrow(/clip_sample/);
  });
});
