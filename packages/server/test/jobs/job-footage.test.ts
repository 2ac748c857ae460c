import { describe, expect, it } from "vitest";
import { footageOf, parametersOf, settingsOf } from "../../src/jobs/job-footage.ts";
import { jobRequestSchema } from "../../src/jobs/job-request.ts";

const PLACES = {
  video_in: "https://example.com/v.mp4",
  audio_in: "https://example.com/a.wav",
  out: "https://example.com/o.mp4",
};
const request = (more: object) => jobRequestSchema.parse({ ...PLACES, ...more });

describe("what a request says of its footage", () => {
  it.each([
    [{}, {}],
    [{ face: "left" }, { face: { kind: "left" } }],
    [{ face: 3 }, { face: { kind: "number", number: 3 } }],
    [{ face_at: { x: 0.2, y: 1 } }, { face: { kind: "at", x: 0.2, y: 1, timeSeconds: 0 } }],
    [{ fps: "source" }, { framesPerSecond: "source" }],
    [
      { loop: "cut", silence: "keep", start: 0, end: 2.5 },
      { loop: "cut", silence: "keep", startSeconds: 0, endSeconds: 2.5 },
    ],
  ])("%o is %o for the engine", (fields, footage) => {
    expect(footageOf(request(fields))).toEqual(footage);
  });

  it("stands in answers as it was given, and in manifests with the seed", () => {
    const fields = {
      ...{ guidance_scale: 1.5, inference_steps: 4, quality: "fast", scheduler: "ddim" },
      ...{ fps: "source", loop: "cut", silence: "keep", start: 1, end: 2 },
    };
    const place = { x: 0.2, y: 1 };
    const made = request({ ...fields, face_at: place, priority: 3 });
    expect(parametersOf(made)).toEqual({ ...fields, face_at: place });
    expect(settingsOf(made, 9)).toEqual({ ...fields, seed: 9, face_at_x: 0.2, face_at_y: 1 });
    expect(parametersOf(request({}))).toEqual({ guidance_scale: 2, inference_steps: 20 });
    expect(settingsOf(request({ face: 2, seed: 5 }), 5)).toEqual({
      ...{ guidance_scale: 2, inference_steps: 20, seed: 5, face: 2 },
    });
  });
});
