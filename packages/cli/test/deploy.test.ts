import { LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import { estimate, type Hardware, MEASURED_HARDWARE } from "../src/service/estimate.ts";
import { run } from "./run.ts";

const hardware = (name: string): Hardware => MEASURED_HARDWARE.find((item) => item.name === name)!;
const l4 = hardware("l4");
/** 100 videos an hour on one instance, a dollar a video when always busy. */
const simple: Hardware = {
  name: "simple",
  secondsPerVideo: 36,
  coldStartSeconds: 18,
  dollarsPerHour: 100,
};

describe("estimate", () => {
  it("10 L4 instances make 200 videos an hour, at 5 cents each when they are 80 % busy", () => {
    const result = estimate(l4, { videosPerHour: 160, targetUtilization: 0.8 });
    expect(result).toMatchObject({ instances: 10, capacityPerHour: 200, isOverloaded: false });
    expect(result.utilization).toBeCloseTo(0.8, 12);
    expect(result.dollarsPerVideo.keptRunning.toFixed(2)).toBe("0.05");
  });

  it.each([
    // Price x (processing + cold start): what a video costs that starts an instance of its own.
    ["l4", (0.73 * 205) / 3600],
    ["a100", (2.3 * 105) / 3600],
    ["a100-40g", (3.67 * 120) / 3600],
  ])("%s: a video that starts its own instance", (name, dollars) => {
    const { dollarsPerVideo } = estimate(hardware(name), {
      videosPerHour: 10,
      targetUtilization: 0.8,
    });
    expect(dollarsPerVideo.perUseCold).toBeCloseTo(dollars, 12);
  });

  it("waits as the closed form of M/M/1 says", () => {
    // One server at half its capacity: the mean wait is one processing time.
    const half = estimate(simple, { videosPerHour: 50, targetUtilization: 0.6 });
    expect(half.instances).toBe(1);
    expect(half.waitSeconds!.mean).toBeCloseTo(36, 9);
    // P(wait > t) = rho exp(-(1 - rho) t / s)
    expect(half.waitSeconds!.p95).toBeCloseTo(72 * Math.log(10), 9);
  });

  it("waits as the closed form of M/M/2 says", () => {
    // Two servers, rho = 0.75: the mean wait is s rho^2 / (1 - rho^2).
    const two = estimate(simple, { videosPerHour: 150, targetUtilization: 0.75 });
    expect(two.instances).toBe(2);
    expect(two.waitSeconds!.mean).toBeCloseTo((36 * 0.5625) / 0.4375, 9);
  });

  it("stays exact for fleets of thousands", () => {
    const large = estimate(simple, { videosPerHour: 400_000, targetUtilization: 0.999 });
    expect(large.instances).toBe(4005);
    expect(large.waitSeconds!.mean).toBeGreaterThan(0);
    expect(large.waitSeconds!.mean).toBeLessThan(36);
  });

  it("waits for nobody when hardly anything arrives", () => {
    const idle = estimate(simple, { videosPerHour: 0.001, targetUtilization: 0.8 });
    expect(idle.instances).toBe(1);
    expect(idle.waitSeconds!.mean).toBeCloseTo(0, 3);
    expect(idle.waitSeconds!.p95).toBe(0);
  });

  it("says so when the limit of instances is below the load", () => {
    const result = estimate(simple, {
      videosPerHour: 300,
      targetUtilization: 0.8,
      maxInstances: 2,
    });
    expect(result).toMatchObject({
      instances: 2,
      capacityPerHour: 200,
      utilization: 1,
      isOverloaded: true,
      waitSeconds: undefined,
    });
    // What is made costs what runs: 200 $ for 200 videos an hour.
    expect(result.dollarsPerVideo.keptRunning).toBeCloseTo(1, 12);
    expect(result.dollarsPerMonth.keptRunning).toBeCloseTo(200 * 730, 6);
  });

  it("a load of exactly the limit's capacity is an overload", () => {
    const result = estimate(simple, {
      videosPerHour: 200,
      targetUtilization: 0.8,
      maxInstances: 2,
    });
    expect(result.isOverloaded).toBe(true);
  });

  it.each([
    [{ ...simple, secondsPerVideo: 0 }, {}, /secondsPerVideo must be above 0, but is 0/],
    [{ ...simple, dollarsPerHour: Number.NaN }, {}, /dollarsPerHour must be at least 0/],
    [{ ...simple, coldStartSeconds: -1 }, {}, /coldStartSeconds must be at least 0, but is -1/],
    [simple, { videosPerHour: -5 }, /videosPerHour must be above 0/],
    [simple, { videosPerHour: Infinity }, /videosPerHour must be above 0/],
    [simple, { targetUtilization: 1 }, /targetUtilization must be below 1/],
    [simple, { maxInstances: 0 }, /maxInstances must be at least 1/],
  ])("refuses %o %o", (machine, load, message) => {
    const call = () => estimate(machine, { videosPerHour: 1, targetUtilization: 0.8, ...load });
    expect(call).toThrow(message);
    expect(call).toThrow(LatentSyncError);
  });
});

describe("deploy estimate", () => {
  it("compares the measured hardware", async () => {
    const { code, stdout, stderr } = await run("deploy", "estimate");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const row = (name: string) =>
      stdout
        .split("\n")
        .find((line) => line.trim().startsWith(`${name} `))!
        .trim()
        .split(/ {2,}/);
    expect(row("l4").slice(0, 4)).toEqual(["l4", "10", "200", "80 %"]);
    expect(row("l4")[6]).toBe("0.05");
    expect(row("a100").slice(0, 2)).toEqual(["a100", "4"]);
    expect(row("a100")[6]).toBe("0.06");
    expect(row("a100-40g").slice(0, 2)).toEqual(["a100-40g", "5"]);
    expect(row("a100-40g")[7]).toBe("0.09-0.12");
    expect(stdout).toContain("M/M/c");
  });

  it("takes figures of one's own, as JSON", async () => {
    const own = ["--price", "3600", "--seconds-per-video", "2", "--cold-start", "1"];
    const { code, stdout } = await run(
      ...["deploy", "estimate", "--json", "--videos-per-hour", "900", ...own],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      load: { videosPerHour: 900, targetUtilization: 0.8 },
      estimates: [
        {
          hardware: { name: "own", secondsPerVideo: 2, coldStartSeconds: 1, dollarsPerHour: 3600 },
          instances: 1,
          utilization: 0.5,
          waitSeconds: { mean: 2 },
          dollarsPerVideo: { keptRunning: 4, perUse: 2, perUseCold: 3 },
        },
      ],
    });
  });

  it("replaces one figure of the measured hardware", async () => {
    const { stdout } = await run(
      ...["deploy", "estimate", "--json", "--hardware", "l4", "--price", "1"],
    );
    const { estimates } = JSON.parse(stdout) as { estimates: { hardware: Hardware }[] };
    expect(estimates.map((item) => item.hardware)).toEqual([{ ...l4, dollarsPerHour: 1 }]);
  });

  it("says when the queue would grow", async () => {
    const { stdout } = await run(
      ...["deploy", "estimate", "--hardware", "l4", "--videos-per-hour", "200"],
      ...["--max-instances", "10"],
    );
    expect(stdout).toMatch(/l4 +10 +200 +100 % +grows +grows/);
  });

  it.each([
    [["--hardware", "tpu"], /Allowed choices are l4, a100, a100-40g/],
    [["--videos-per-hour", "0"], /Expected a number from 0.001/],
    [["--utilization", "1"], /Expected a number from 0.01 to 0.99/],
  ])("%o is wrong usage", async (args, message) => {
    const { code, stderr } = await run("deploy", "estimate", ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
