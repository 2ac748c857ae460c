import { Resources, type Runtime } from "@ls/core";
import { FakeRuntime } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { deviceNumbers } from "../src/run-options.ts";
import { selectDevices } from "../src/select-devices.ts";

async function names(runtimes: Promise<readonly Runtime[]>): Promise<readonly string[]> {
  return (await runtimes).map(({ name }) => name);
}

describe("the devices of a run", () => {
  it("are one, unless it is said which", async () => {
    await using resources = new Resources();
    expect(await names(selectDevices({ runtime: "cpu", threads: 1 }, resources))).toEqual(["cpu"]);
    const runtime = new FakeRuntime();
    expect(await selectDevices({ runtime }, resources)).toEqual([runtime]);
  });

  it("are as many runtimes as are named", async () => {
    await using resources = new Resources();
    const choice = { runtime: "cpu", devices: [0, 1] } as const;
    expect(await names(selectDevices(choice, resources))).toEqual(["cpu", "cpu"]);
  });

  it("cannot be chosen of a runtime that is one", async () => {
    await using resources = new Resources();
    const choice = { runtime: new FakeRuntime(), devices: [0, 1] };
    await expect(selectDevices(choice, resources)).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });

  it("are read from a list", () => {
    expect(deviceNumbers("all")).toBe("all");
    expect(deviceNumbers("0, 2")).toEqual([0, 2]);
    expect(() => deviceNumbers("1,1")).toThrow(/once/);
    expect(() => deviceNumbers("first")).toThrow(/whole number/);
  });
});
