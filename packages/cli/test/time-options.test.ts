import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { addTimeOptions, type TimeFlags, timesOf } from "../src/time-options.ts";

function parse(...args: readonly string[]): TimeFlags {
  const ignore = (): void => undefined;
  const command = addTimeOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: ignore });
  return command.parse(args, { from: "user" }).opts();
}

describe("--start and --end", () => {
  it.each([
    ["12", 12],
    ["12.5", 12.5],
    [".5", 0.5],
    ["90", 90],
    ["1:30", 90],
    ["75:00", 4500],
    ["0:00.040", 0.04],
    ["01:02:03.250", 3723.25],
    ["100:00:00", 360_000],
  ])("%s is %d s", (text, seconds) => {
    expect(parse("--start", text).start).toBeCloseTo(seconds, 9);
  });

  it.each([
    "",
    "-1",
    "a",
    "1:2:3:4",
    "1:60",
    "1:60:00",
    "1:-5",
    "1.5:00",
    "1e3",
    "NaN",
    "1:",
    ":1",
  ])("%j is refused", (text) => {
    expect(() => parse(`--end=${text}`)).toThrow(/seconds such as 12\.5/);
  });

  it("become the part of a request, if there is something between them", () => {
    expect(timesOf(parse("--start", "2", "--end", "0:03"))).toEqual({
      startSeconds: 2,
      endSeconds: 3,
    });
    expect(timesOf(parse())).toEqual({});
    expect(() => timesOf(parse("--start", "3", "--end", "3"))).toThrow(/from 3 s to 3 s/);
    expect(() => timesOf(parse("--end", "0"))).toThrow(/from 0 s to 0 s/);
  });
});
