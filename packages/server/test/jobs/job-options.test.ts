import { describe, expect, it } from "vitest";
import { describeJobOptions, readJobOptions } from "../../src/jobs/job-options.ts";
import { jobRequestSchema } from "../../src/jobs/job-request.ts";

const PLACES = {
  video_in: "https://example.com/v.mp4",
  audio_in: "https://example.com/a.wav",
  out: "https://example.com/o.mp4",
};

describe("a job's command-line options", () => {
  it("are the fields of the request", () => {
    const options = describeJobOptions();
    const required = options.filter(({ isRequired }) => isRequired).map(({ flag }) => flag);
    expect(required).toEqual(["--video-in", "--audio-in", "--out"]);
    for (const { field, description } of options) expect(description, field).not.toBe("");
    expect(options.map(({ field }) => field)).toContain("deadline_seconds");
  });

  it("make the request that the same JSON makes", () => {
    const request = readJobOptions({
      ...PLACES,
      inference_steps: "12",
      guidance_scale: "1.5",
      face_at: "0.25,0.5",
      seed: undefined,
    });
    const json = { inference_steps: 12, guidance_scale: 1.5, face_at: { x: 0.25, y: 0.5 } };
    expect(request).toEqual(jobRequestSchema.parse({ ...PLACES, ...json }));
  });

  it.each([
    ["face", "2", 2],
    ["face", "left", "left"],
    ["fps", "25", 25],
    ["fps", "source", "source"],
    ["start", "1.5", 1.5],
    ["loop", "freeze", "freeze"],
    ["silence", "source", "source"],
  ])("read %s %j as %j", (field, text, value) => {
    expect(readJobOptions({ ...PLACES, [field]: text })).toMatchObject({ [field]: value });
  });

  it.each([
    ["inference_steps", "1.5"],
    ["inference_steps", ""],
    ["guidance_scale", "much"],
    ["face_at", "0.5"],
    ["face_at", "0.1,0.2,0.3"],
    ["face_at", "2,2"],
    ["face", "biggest"],
    ["face", "0"],
    ["face", "1.5"],
    ["face", ""],
    ["fps", "30"],
    ["loop", "twice"],
    ["silence", ""],
    ["start", "-1"],
    ["start", "01:10"],
    ["end", "0"],
    ["colour", "red"],
  ])("refuse %s %j, by name", (field, text) => {
    expect(() => readJobOptions({ ...PLACES, [field]: text })).toThrow(
      field === "colour" ? /colour/ : `--${field.replaceAll("_", "-")}`,
    );
  });
});
