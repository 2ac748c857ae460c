import { resolveSampling } from "@ls/core";
import type { JobFootage } from "@ls/server";
import { expect, it } from "vitest";
import { jobFingerprint, type JobIdentity } from "../src/service/job-fingerprint.ts";

const JOB: JobIdentity = {
  request: { footage: {}, seed: 1247 },
  sampling: resolveSampling({}),
  options: { threads: 2 },
  description: {
    software: { name: "latentsync-ts", version: "1.0.0" },
    runtime: { name: "cpu", hardware: "any", precision: "float32" },
  },
  hashes: { model: "m", video: "v", audio: "a" },
};
const { description, hashes, request } = JOB;
const { software, runtime } = description;

const ofFootage = (footage: JobFootage): JobIdentity => ({
  ...JOB,
  request: { ...request, footage },
});

it("a request that says what is usual anyway is the same one", () => {
  const usual = { framesPerSecond: 25, loop: "pingpong", silence: "rest" } as const;
  const spelt = ofFootage({ ...usual, face: { kind: "speaker" } });
  expect(jobFingerprint(spelt)).toEqual(jobFingerprint(JOB));
  const options = { threads: 2, codec: "hevc", crf: 9, faceDetector: "mediapipe" } as const;
  expect(jobFingerprint({ ...JOB, options })).toEqual(jobFingerprint(JOB));
});

it.each<readonly [string, JobIdentity]>([
  ["person", ofFootage({ face: { kind: "all" } })],
  ["number", ofFootage({ face: { kind: "number", number: 1 } })],
  ["place", ofFootage({ face: { kind: "at", x: 0.5, y: 0.5, timeSeconds: 0 } })],
  ["rate", ofFootage({ framesPerSecond: "source" })],
  ["loop", ofFootage({ loop: "freeze" })],
  ["silence", ofFootage({ silence: "keep" })],
  ["start", ofFootage({ startSeconds: 0.04 })],
  ["end", ofFootage({ endSeconds: 9 })],
  ["seed", { ...JOB, request: { ...request, seed: 1 } }],
  ["steps", { ...JOB, sampling: resolveSampling({ inferenceSteps: 19 }) }],
  ["interval", { ...JOB, sampling: resolveSampling({ guidanceInterval: [0, 0.5] }) }],
  ["threads", { ...JOB, options: { threads: 1 } }],
  ["detector", { ...JOB, options: { threads: 2, faceDetector: "insightface" } }],
  ["version", { ...JOB, description: { runtime, software: { ...software, version: "2" } } }],
  ["hardware", { ...JOB, description: { software, runtime: { ...runtime, hardware: "other" } } }],
  [
    "precision",
    { ...JOB, description: { software, runtime: { ...runtime, precision: "bfloat16" } } },
  ],
  ["model", { ...JOB, hashes: { ...hashes, model: "n" } }],
  ["video", { ...JOB, hashes: { ...hashes, video: "w" } }],
])("another %s is another job", (_, job) => {
  expect(jobFingerprint(job)).not.toEqual(jobFingerprint(JOB));
});
