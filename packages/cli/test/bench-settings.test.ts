import { describe, expect, it } from "vitest";
import {
  type BenchSettings,
  changedSettings,
  parseSettingsChange,
  settingsArguments,
} from "../src/commands/bench-settings.ts";

const SETTINGS: BenchSettings = {
  ...{ runtime: "cpu", precision: "auto", threads: 2, quality: "exact", inferenceSteps: 6 },
};

describe("the settings of a benchmark", () => {
  it("keep what a change does not name", () => {
    const change = parseSettingsChange("--quality balanced  --guidance-interval 0.25,0.75");
    expect(change).toEqual({ quality: "balanced", guidanceInterval: [0.25, 0.75] });
    expect(changedSettings(SETTINGS, change)).toEqual({
      ...SETTINGS,
      quality: "balanced",
      guidanceInterval: [0.25, 0.75],
    });
  });

  it("are given to another process as they are", () => {
    const change = parseSettingsChange(
      "--devices 0,1 --guidance-interval 0,0.5 --deepcache-interval 2",
    );
    const words = settingsArguments(changedSettings(SETTINGS, change));
    expect(words).toEqual([
      ...["--runtime", "cpu", "--precision", "auto", "--threads", "2", "--devices", "0,1"],
      ...["--quality", "exact", "--inference-steps", "6", "--guidance-interval", "0,0.5"],
      ...["--deepcache-interval", "2"],
    ]);
    expect(parseSettingsChange(words.join(" "))).toEqual(changedSettings(SETTINGS, change));
    expect(settingsArguments({ ...SETTINGS, enableDeepcache: true }).at(-1)).toBe(
      "--enable-deepcache",
    );
  });
});
