import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compareSuites } from "../../src/suite/compare-suites.ts";
import { formatSuiteComparison } from "../../src/suite/format-suite.ts";
import { judgedFigures } from "../../src/suite/judged-figures.ts";
import type { SuiteCaseResult, SuiteFigures } from "../../src/suite/suite-report.ts";
import { caseResult, failedCase, report } from "./hand-made-reports.ts";

function verdict(baseline: SuiteCaseResult, candidate: SuiteCaseResult): string | undefined {
  return compareSuites(report([baseline]), report([candidate])).cases[0]?.verdict;
}

const changed = (figures: Partial<SuiteFigures>): SuiteCaseResult =>
  caseResult({ framesSha256: "dd" }, figures);

describe("the verdict of a case", () => {
  it("is identical for the same frames, whatever time and memory", () => {
    const slower = caseResult({ modelSeconds: 99, peakMemoryBytes: 2 ** 34 });
    expect(verdict(caseResult(), slower)).toBe("identical");
  });

  it("is equal for other frames with the same figures", () => {
    expect(verdict(caseResult(), changed({}))).toBe("equal");
  });

  // Half of the tolerance stays equal, twice of it does not; exactly the tolerance is left to rounding.
  it.each<[string, keyof SuiteFigures, number, number, number]>([
    ["sync correlation", "correlation", 0.89, 0.86, 0.94],
    ["SSIM outside the face", "ssimOutsideFace", 0.99875, 0.998, 1],
    ["PSNR of the mouth", "mouthPsnrDb", 22.9, 22.6, 23.4],
    ["movement", "movement", 0.0525, 0.04, 0.06],
  ])("follows the %s beyond its tolerance", (label, figure, near, low, high) => {
    expect(verdict(caseResult(), changed({ [figure]: near }))).toBe("equal");
    expect(verdict(caseResult(), changed({ [figure]: low }))).toBe("worse");
    expect(verdict(caseResult(), changed({ [figure]: high }))).toBe("better");
    const [compared] = compareSuites(
      report([caseResult()]),
      report([changed({ [figure]: low })]),
    ).cases;
    expect(compared?.figures.filter((one) => one.verdict !== "equal")).toMatchObject([
      { label, candidate: low, verdict: "worse" },
    ]);
  });

  it.each<[keyof SuiteFigures, number, number]>([
    ["frames", 31, 33],
    ["framesWithoutFace", 9, 11],
    ["lagFrames", -1, 1],
  ])("is worse for %s off by one, to either side, and better when that is gone", (name, a, b) => {
    for (const off of [a, b]) {
      expect(verdict(caseResult(), changed({ [name]: off }))).toBe("worse");
      expect(verdict(changed({ [name]: off }), caseResult())).toBe("better");
    }
    const other = caseResult({ framesSha256: "ee" }, { [name]: b });
    expect(verdict(changed({ [name]: a }), other)).toBe("equal");
  });

  it("is worse for too much movement as for too little", () => {
    expect(verdict(caseResult(), changed({ movement: 0.08 }))).toBe("worse");
  });

  it("is worse if one figure is worse, even if others are better", () => {
    expect(verdict(caseResult(), changed({ correlation: 0.99, mouthPsnrDb: 20 }))).toBe("worse");
  });

  it("is worse if a figure can no longer be measured", () => {
    expect(verdict(caseResult(), changed({ correlation: null }))).toBe("worse");
    expect(verdict(changed({ correlation: null }), caseResult())).toBe("better");
    expect(verdict(changed({ correlation: null }), changed({ correlation: null }))).toBe(
      "identical",
    );
  });

  it("is worse if it fails now, and better if it no longer fails", () => {
    expect(verdict(caseResult(), failedCase("runtime"))).toBe("worse");
    expect(verdict(failedCase("runtime"), caseResult())).toBe("better");
    expect(verdict(failedCase("runtime"), failedCase("runtime"))).toBe("identical");
    expect(verdict(failedCase("runtime"), failedCase("io"))).toBe("equal");
  });

  it("knows cases that must fail", () => {
    const expected = { failure: "no_face", frames: 32, framesWithoutFace: 32 };
    const right = failedCase("no_face", { expected });
    expect(verdict(right, right)).toBe("identical");
    expect(verdict(right, caseResult({ expected }))).toBe("worse");
    expect(verdict(right, failedCase("runtime", { expected }))).toBe("worse");
    expect(verdict(failedCase("runtime", { expected }), right)).toBe("better");
  });
});

describe("a comparison", () => {
  const two = [caseResult(), caseResult({ name: "glasses" })];

  it("names the cases that are worse, and in what the builds differ", () => {
    const candidate = report([caseResult(), failedCase("runtime", { name: "glasses" })], {
      model: { name: "other", hash: "f".repeat(64), resolution: 256 },
      runtime: { name: "cuda", precision: "float16" },
    });
    const comparison = compareSuites(report(two), candidate);
    expect(comparison.worse).toEqual(["glasses"]);
    expect(comparison.differences).toEqual([
      {
        what: "model",
        baseline: "demo 0123456789ab, 128 pixels",
        candidate: "other ffffffffffff, 256 pixels",
      },
      { what: "runtime", baseline: "cpu, float32", candidate: "cuda, float16" },
    ]);
    const text = formatSuiteComparison(comparison);
    expect(text).toContain("- runtime: cpu, float32 → cuda, float16\n");
    expect(text).toMatch(/^\| plain +\| identical +\| 32 /m);
    expect(text).toMatch(/^\| glasses +\| \*\*worse\*\*: success → runtime +\| 32 → - \(worse\)/m);
    expect(text).toContain("1 identical, 1 worse. ");
  });

  it("may be of some of the cases", () => {
    const one = report([caseResult()]);
    expect(compareSuites(report(two), one, ["plain"]).cases).toHaveLength(1);
    expect(compareSuites(one, report(two), ["plain"]).cases).toHaveLength(1);
  });

  it.each([
    ["another set", report(two, { suite: "held-out-2" }), /held-out-1, but this is held-out-2/],
    [
      "other steps",
      report(two, { settings: { inferenceSteps: 10, guidanceScale: 1.5, seed: 1247 } }),
      /made with inferenceSteps 5, but this with 10/,
    ],
    ["a missing case", report([caseResult()]), /The candidate has no case glasses/],
    [
      "a further case",
      report([...two, caseResult({ name: "beard" })]),
      /The baseline has no case beard/,
    ],
    [
      "other pictures",
      report([
        caseResult(),
        caseResult({ name: "glasses", inputs: { picturesSha256: "xx", speechSha256: "bb" } }),
      ]),
      /case glasses of the baseline was made of other pictures or another speech/,
    ],
    [
      "another speech",
      report([
        caseResult(),
        caseResult({ name: "glasses", inputs: { picturesSha256: "aa", speechSha256: "xx" } }),
      ]),
      /case glasses/,
    ],
  ])("refuses %s", (_what, candidate, message) => {
    expect(() => compareSuites(report(two), candidate)).toThrow(
      expect.objectContaining({
        code: "invalid_argument",
        message: expect.stringMatching(message),
        hint: expect.any(String),
      }),
    );
  });
});

describe("the thresholds", () => {
  it("stand in the README as they are in the code", async () => {
    const text = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
    for (const { label, tolerance, unit } of judgedFigures) {
      const shown = `${tolerance} ${unit}`.trim();
      const row = text.split("\n").find((line) => line.startsWith(`| ${label} `));
      expect(row?.split("|")[3]?.trim(), label).toBe(shown);
    }
  });
});
