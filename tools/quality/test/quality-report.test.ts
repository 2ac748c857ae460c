import { resolveSampling } from "@ls/core";
import { FakeModel, FakeRuntime } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { countingRuntime } from "../counting-runtime.ts";
import { relativeWork } from "../model-work.ts";
import { drawPlot } from "../quality-plot.ts";
import type { QualityReport, VariantReport } from "../quality-report.ts";
import { formatTable } from "../quality-table.ts";
import { VARIANTS } from "../variants.ts";

function variant(name: string, changes: Partial<VariantReport> = {}): VariantReport {
  return {
    name,
    lever: "presets",
    settings: resolveSampling({}),
    fullForwards: 40,
    shallowForwards: 0,
    relativeWork: 1,
    relativeSeconds: 1,
    figures: {
      newSpeech: 0.9,
      psnrToTruthDb: 25,
      psnrToExactDb: 100,
      ssimToExact: 1,
      latentCosine: 1,
    },
    lowestPsnrToExactDb: 100,
    ...changes,
  };
}

const FAST = variant("fast", {
  fullForwards: 10,
  shallowForwards: 4,
  relativeWork: 0.25,
  relativeSeconds: 0.31,
  figures: {
    newSpeech: 0.876,
    psnrToTruthDb: 24.5,
    psnrToExactDb: 41.06,
    ssimToExact: 0.9912,
    latentCosine: 0.99876,
  },
  lowestPsnrToExactDb: 39.9,
});
const REPORT: QualityReport = {
  model: "model",
  modelHash: "0",
  runtime: "cpu",
  clips: 2,
  secondsPerClip: 1,
  variants: [variant("exact"), FAST, { ...FAST, name: "DDIM, 5 steps", lever: "DDIM" }],
};

describe("the work of a run", () => {
  it("is 1 for the exact one, and the VAE's where the UNet has none", () => {
    const exact = { full: 400, shallow: 0 };
    expect(relativeWork(exact, exact, 40)).toBe(1);
    expect(relativeWork({ full: 0, shallow: 0 }, exact, 40)).toBeCloseTo(0.103, 3);
  });

  it("is what DeepCache at interval 3 is known to take of the UNet", () => {
    const exact = { full: 60, shallow: 0 };
    const work = relativeWork({ full: 20, shallow: 40 }, exact, 60);
    const vae = relativeWork({ full: 0, shallow: 0 }, exact, 60);
    expect((work - vae) / (1 - vae)).toBeCloseTo(0.43, 6);
  });

  it("is counted where the networks run", async () => {
    await using runtime = new FakeRuntime();
    const counter = countingRuntime(runtime);
    await using session = await counter.runtime.createSession(
      await new FakeModel().graph({ kind: "vae_decoder" }),
    );
    const latents = { dtype: "float32", dims: [1, 4, 2, 2], data: new Float32Array(16) } as const;
    await session.run({ latents });
    const { forwards, seconds } = counter.take();
    expect(forwards).toEqual({ full: 0, shallow: 0 });
    expect(seconds).toBeGreaterThan(0);
    expect(counter.take().seconds).toBe(0);
  });
});

describe("the variants", () => {
  it("begin with the exact one, have a name each and settings that can be", () => {
    expect(resolveSampling(VARIANTS[0]?.settings ?? {})).toEqual(resolveSampling({}));
    expect(new Set(VARIANTS.map(({ name }) => name)).size).toBe(VARIANTS.length);
    for (const { settings } of VARIANTS) expect(() => resolveSampling(settings)).not.toThrow();
  });
});

describe("a report", () => {
  it("is a table with a row for each variant", () => {
    const [head = "", rule = "", ...rows] = formatTable(REPORT).trimEnd().split("\n");
    expect(rows).toHaveLength(3);
    for (const row of [rule, ...rows]) expect(row.split("|")).toHaveLength(head.split("|").length);
    expect(rows[0]).toMatch(/^\| \*\*exact\*\* \| 40 \| 1.00 .* equal \| equal \| 1 \| 1 \|$/);
    expect(rows[1]).toContain("| 10 + 4 | 0.25 | 0.31 | 0.876 | 24.50 dB | 41.1 dB | 39.9 dB |");
  });

  it("is a plot in which every variant but the exact one has its place", () => {
    const plot = drawPlot(REPORT);
    expect(plot.match(/<circle [^>]*r="[46]"/g)).toHaveLength(2);
    expect(plot).toContain(">fast</text>");
    expect(plot).toContain(">5</text>");
    expect(plot).not.toContain(">exact</text>");
    expect(plot).not.toMatch(/NaN|Infinity/);
  });
});
