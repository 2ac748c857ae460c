import { QUALITIES } from "@ls/core";
import { describe, expect, it } from "vitest";
import { jobRequestSchema } from "../../src/jobs/job-request.ts";

const PLACES = {
  video_in: "https://example.com/v.mp4",
  audio_in: "https://example.com/a.wav",
  out: "https://example.com/o.mp4",
};

describe("a job's quality", () => {
  it("is not in a request that says nothing of it, whose defaults are the contract's", () => {
    expect(jobRequestSchema.parse(PLACES)).toEqual({
      ...PLACES,
      guidance_scale: 2,
      inference_steps: 20,
      priority: 0,
    });
  });

  it("brings steps and guidance where the request names none", () => {
    const exact = jobRequestSchema.parse({ ...PLACES, quality: "exact" });
    expect(exact).toMatchObject({ inference_steps: 20, guidance_scale: 2 });
    const preview = jobRequestSchema.parse({ ...PLACES, quality: "preview" });
    expect(preview.inference_steps).toBeLessThan(5);
    expect(preview.guidance_scale).toBe(1);
    const balanced = jobRequestSchema.parse({ ...PLACES, quality: "balanced" });
    expect(balanced.inference_steps).toBeLessThan(20);
  });

  it.each(QUALITIES)("%s leaves what the request names as it is", (quality) => {
    const named = { quality, scheduler: "unipc", inference_steps: 7, guidance_scale: 2.5 } as const;
    expect(jobRequestSchema.parse({ ...PLACES, ...named })).toMatchObject(named);
  });

  it.each([
    [{ quality: "best" }, "quality"],
    [{ quality: 3 }, "quality"],
    [{ quality: null }, "quality"],
    [{ scheduler: "euler" }, "scheduler"],
    [{ quality: "fast", inference_steps: 0 }, "inference_steps"],
  ])("of %o is refused, by name", (body, field) => {
    const result = jobRequestSchema.safeParse({ ...PLACES, ...body });
    expect(result.error?.issues.map(({ path }) => path[0])).toEqual([field]);
  });

  it.each([undefined, null, 1, "text", []])("is not looked for in %j", (body) => {
    expect(jobRequestSchema.safeParse(body).success).toBe(false);
  });
});

describe("a job's footage", () => {
  it.each([
    { face: "all", fps: "source", loop: "silence", silence: "source", start: 1, end: 2.5 },
    { face: 1, fps: 25, start: 0 },
    { face: 999_999, end: 0.04 },
    { face_at: { x: 0, y: 1 }, loop: "pingpong", silence: "rest" },
  ])("%o is taken as it is", (footage) => {
    expect(jobRequestSchema.parse({ ...PLACES, ...footage })).toMatchObject(footage);
  });

  it.each([
    [{ face: "person.jpg" }, "face"],
    [{ face: 0 }, "face"],
    [{ face: 1.5 }, "face"],
    [{ face: 1_000_000 }, "face"],
    [{ face: "left", face_at: { x: 0.5, y: 0.5 } }, "face"],
    [{ fps: 30 }, "fps"],
    [{ fps: "25" }, "fps"],
    [{ loop: "twice" }, "loop"],
    [{ silence: "none" }, "silence"],
    [{ start: -1 }, "start"],
    [{ start: Infinity }, "start"],
    [{ start: "1" }, "start"],
    [{ end: 0 }, "end"],
    [{ start: 3, end: 3 }, "end"],
  ])("of %o is refused, by name", (body, field) => {
    const result = jobRequestSchema.safeParse({ ...PLACES, ...body });
    expect(result.error?.issues.map(({ path }) => path[0])).toEqual([field]);
  });
});
