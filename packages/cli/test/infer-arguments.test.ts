import { LatentSyncError } from "@ls/core";
import { describe, expect, it } from "vitest";
import { parseInferOptions } from "../src/infer-arguments.ts";

const FILES = { video: "a b.mp4", audio: "-a.wav", out: "o.mp4" } as const;

function refusal(record: Readonly<Record<string, unknown>>): LatentSyncError {
  try {
    parseInferOptions(record);
  } catch (error) {
    if (LatentSyncError.is(error)) return error;
    throw error;
  }
  throw new Error("The options were taken.");
}

describe("options of infer as JSON", () => {
  it("are read as the command line reads them", () => {
    const flags = parseInferOptions({
      ...FILES,
      "inference-steps": 10,
      guidance_scale: "1.5",
      "guidance-interval": [0.25, 0.75],
      "memory-check": false,
      compat: true,
      devices: [0, 1],
    });
    expect(flags).toMatchObject({
      ...FILES,
      inferenceSteps: 10,
      guidanceScale: 1.5,
      guidanceInterval: [0.25, 0.75],
      memoryCheck: false,
      compat: true,
      devices: [0, 1],
      seed: 1247,
      quality: "exact",
    });
    expect(parseInferOptions({ ...FILES, compat: false, "memory-check": true })).toMatchObject({
      memoryCheck: true,
    });
  });

  it.each([
    [{ ...FILES, modle: "x" }, /no option "modle"/],
    [{ ...FILES, json: true }, /no option "json"/],
    [{ ...FILES, help: true }, /no option "help"/],
    [{ ...FILES, toString: 1 }, /no option "toString"/],
    [{ ...FILES, "inference-steps": 0 }, /whole number from 1 to 1000/],
    [{ ...FILES, seed: true }, /"seed" needs a value, but is true/],
    [{ ...FILES, seed: null }, /"seed" must be text, a number or a list, but is null/],
    [{ ...FILES, seed: { a: 1 } }, /"seed" must be text/],
    [{ ...FILES, compat: "yes" }, /"compat" must be true or false/],
    [{ ...FILES, quality: "best" }, /Allowed choices are exact/],
    [{ video: "a.mp4", audio: "a.wav" }, /required option '--out <file>' not specified/],
  ])("%o is refused", (record, message) => {
    const error = refusal(record);
    expect(error.code).toBe("invalid_argument");
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
    expect(error.hint).toMatch(/infer --help/);
  });
});
