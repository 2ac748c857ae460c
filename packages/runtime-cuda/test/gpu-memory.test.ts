import { describe, expect, it } from "vitest";
import { driverName, parseGpuMemory } from "../src/gpu-memory.ts";

describe("a GPU's memory", () => {
  it("is read from what the driver's tool prints", () => {
    expect(parseGpuMemory("81559, 80000\n")).toEqual({
      totalBytes: 81_559 * 1024 ** 2,
      freeBytes: 80_000 * 1024 ** 2,
    });
  });

  it.each(["", "No devices were found\n", "[N/A], [N/A]\n", "1, 2\n3, 4\n"])(
    "is not known of %j",
    (text) => {
      expect(parseGpuMemory(text)).toBeUndefined();
    },
  );

  it.each([
    [1, undefined, "1"],
    [1, "", "1"],
    [1, "2,3", "3"],
    [0, "GPU-abc", "GPU-abc"],
    [4, "2,3", "4"],
  ])("of device %d with the visible devices %j is that of %s", (device, visible, expected) => {
    expect(driverName(device, visible)).toBe(expected);
  });
});
