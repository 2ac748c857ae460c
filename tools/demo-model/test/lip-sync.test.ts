import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { demoModelFolder } from "@ls/demo-model";
import { pearson } from "@ls/testing";
import { load } from "latentsync-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeHeldOutClip } from "../held-out-clip.ts";
import { type ClipFigures, measureClip } from "../measure-clip.ts";

const CLIPS = 3;
const SECONDS = 2.56;
const SETTINGS = { guidanceScale: 1.5, inferenceSteps: 10 } as const;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** People, voices and sentences that the demo model was never trained on, through the whole engine. */
describe("the bundled model lip-syncs held-out clips", () => {
  let folder: string;
  let figures: ClipFigures[];
  let newOpenings: (readonly number[])[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lip-sync-test-"));
    await using engine = await load({ model: demoModelFolder(), runtime: "cpu", codec: "ffv1" });
    figures = [];
    newOpenings = [];
    for (let index = 0; index < CLIPS; index++) {
      const clip = await writeHeldOutClip(folder, index, SECONDS);
      newOpenings.push(clip.newOpenings);
      figures.push(await measureClip(engine, clip, { folder, ...SETTINGS }));
    }
  }, 600_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("moves the mouth as the new speech does", () => {
    expect(mean(figures.map(({ newSpeech }) => newSpeech))).toBeGreaterThan(0.7);
    for (const { lagFrames } of figures) expect(Math.abs(lagFrames)).toBeLessThanOrEqual(1);
  });

  it("moves it nearly as far as a drawn mouth", () => {
    const shares = figures.map(({ movement, trueMovement }) => movement / trueMovement);
    expect(mean(shares)).toBeGreaterThan(0.6);
    expect(mean(shares)).toBeLessThan(1.4);
  });

  it("no longer moves it as the source's speech or somebody else's does", () => {
    expect(mean(figures.map(({ oldSpeech }) => oldSpeech))).toBeLessThan(0.35);
    const shuffled = figures.map(
      ({ openings }, index) =>
        pearson(openings, newOpenings[(index + 1) % CLIPS] ?? []) ?? Number.NaN,
    );
    expect(mean(shuffled)).toBeLessThan(0.35);
  });

  it("finds a face in every frame of the output", () => {
    for (const { framesWithoutFace } of figures) expect(framesWithoutFace).toBe(0);
  });

  it("leaves everything else as it was", () => {
    for (const { ssimOutsideFace } of figures) expect(ssimOutsideFace).toBeGreaterThan(0.999);
  });
});
