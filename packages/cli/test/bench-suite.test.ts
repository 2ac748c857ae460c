import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SuiteCaseResult, SuiteComparison, SuiteReport } from "@ls/benchmarks";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Outcome, run } from "./run.ts";

const suite = (...args: readonly string[]): Promise<Outcome> =>
  run("bench", "--suite", "--runtime", "cpu", "--inference-steps", "1", ...args);
const compare = (...args: readonly string[]): Promise<Outcome> =>
  run("bench", "--suite", "--compare-reports", ...args);

let folder: string;
let baseline: { path: string; report: SuiteReport; outcome: Outcome };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-bench-suite-"));
  vi.stubEnv("LATENTSYNC_HOME", join(folder, "home"));
  vi.stubEnv("HF_HOME", join(folder, "hub"));
  const path = join(folder, "build-a.json");
  const outcome = await suite("--cases", "no-face,face-leaves", "--report", path);
  const report = JSON.parse(await readFile(path, "utf8")) as SuiteReport;
  baseline = { path, report, outcome };
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** The baseline with a change to `face-leaves`, or to the whole. */
async function altered(
  name: string,
  change: Partial<SuiteCaseResult>,
  whole: Partial<SuiteReport> = {},
): Promise<string> {
  const { report } = baseline;
  const cases = report.cases.map((one) =>
    one.name === "face-leaves" ? { ...one, ...change } : one,
  );
  const path = join(folder, name);
  await writeFile(path, JSON.stringify({ ...report, cases, ...whole }));
  return path;
}

describe("bench --suite", () => {
  it("measures the cases, prints a table and stores the report", () => {
    const { outcome, report } = baseline;
    expect(outcome.code).toBe(0);
    expect(outcome.stderr).toMatch(/^1\/2 face-leaves: model [\d.]+ s$/m);
    expect(outcome.stderr).toMatch(/^2\/2 no-face: model [\d.]+ s, error no_face$/m);
    expect(outcome.stdout).toMatch(/^Model: latentsync-demo [0-9a-f]{12}\. Runtime: cpu, float32/m);
    expect(outcome.stdout).toMatch(/^\| face-leaves \| frames [0-9a-f]{12} +\| 32 +\| 10 /m);
    expect(outcome.stdout).toMatch(/^\| no-face +\| error no_face, as it must \|/m);
    expect(report).toMatchObject({
      suite: "held-out-1",
      settings: { inferenceSteps: 1 },
      model: { name: "latentsync-demo", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      runtime: { name: "cpu", precision: "float32" },
      environment: { versions: { "latentsync-ts": expect.any(String) } },
      cases: [
        {
          name: "face-leaves",
          failure: null,
          message: null,
          framesSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          figures: { frames: 32, framesWithoutFace: 10, correlation: expect.any(Number) },
        },
        {
          name: "no-face",
          failure: "no_face",
          message: "None of the 32 frames of no-face.mkv shows a usable face.",
          framesSha256: null,
          figures: { frames: null, correlation: null },
        },
      ],
    });
    const [faceLeaves] = report.cases;
    // Untouched pixels come back as they were.
    expect(faceLeaves?.figures.ssimOutsideFace).toBeGreaterThan(0.9999);
    expect(faceLeaves?.modelSeconds).toBeGreaterThan(0);
    expect(faceLeaves?.peakMemoryBytes).toBeGreaterThan(2 ** 20);
  });

  it("finds a second run identical, and takes the baseline without --suite", async () => {
    const path = join(folder, "build-b.json");
    const { code, stdout, stderr } = await run(
      ...["bench", "--baseline", baseline.path, "--cases", "face-leaves,no-face", "--json"],
      ...["--runtime", "cpu", "--inference-steps", "1", "--report", path],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { cases, worse, differences } = JSON.parse(stdout) as SuiteComparison;
    expect({ worse, differences }).toEqual({ worse: [], differences: [] });
    expect(cases).toMatchObject([
      { name: "face-leaves", verdict: "identical" },
      { name: "no-face", verdict: "identical" },
    ]);
    // What is stored is the run, for the next comparison.
    const compared = await compare(baseline.path, path);
    expect(compared).toMatchObject({ code: 0, stderr: "" });
    expect(compared.stdout).toContain("2 identical. ");
  });

  it("runs nothing against a baseline of other settings", async () => {
    const { code, stderr } = await run(
      ...["bench", "--suite", "--baseline", baseline.path, "--cases", "no-face"],
      ...["--runtime", "cpu", "--inference-steps", "2"],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/made with inferenceSteps 1, but this with 2/);
    expect(stderr).not.toMatch(/1\/1/);
  });
});

describe("bench --suite --compare-reports", () => {
  it("fails where a figure is worse, after telling it", async () => {
    const [faceLeaves] = baseline.report.cases;
    const figures = { ...faceLeaves!.figures, ssimOutsideFace: 0.9 };
    const path = await altered("worse.json", { figures, framesSha256: "f".repeat(64) });
    const markdown = join(folder, "pull-request.md");
    const { code, stdout, stderr } = await compare(baseline.path, path, "--report", markdown);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^\| face-leaves \| \*\*worse\*\* .* → 0\.9000 \(worse\)/m);
    expect(stderr).toMatch(/^error: 1 of 2 cases of held-out-1 are worse .*: face-leaves\.$/m);
    expect(await readFile(markdown, "utf8")).toBe(stdout);

    const { stdout: lines } = await compare(baseline.path, path, "--json");
    const [comparison, error] = lines.split("\n");
    expect(JSON.parse(comparison ?? "")).toMatchObject({ worse: ["face-leaves"] });
    expect(JSON.parse(error ?? "")).toMatchObject({ type: "error", code: "unmet" });

    expect((await compare(path, baseline.path)).stdout).toContain("1 identical, 1 better. ");
  });

  it("fails where a case fails that did not", async () => {
    const path = await altered("failing.json", { failure: "runtime", framesSha256: null });
    const failed = await compare(baseline.path, path);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/^\| face-leaves \| \*\*worse\*\*: success → runtime \|/m);
    // What failed before may fail again.
    expect((await compare(path, path)).code).toBe(0);
  });

  it("says that the models differ", async () => {
    const model = { name: "other", hash: "0".repeat(64), resolution: 256 };
    const { code, stdout } = await compare(
      baseline.path,
      await altered("model.json", {}, { model }),
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^- model: latentsync-demo .* → other 000000000000, 256 pixels$/m);
  });

  it("refuses other inputs and files that are no reports", async () => {
    const inputs = { picturesSha256: "0", speechSha256: "0" };
    const others = await compare(baseline.path, await altered("inputs.json", { inputs }));
    expect(others.code).toBe(1);
    expect(others.stderr).toMatch(/case face-leaves of the baseline was made of other pictures/);
    const words = join(folder, "words.json");
    await writeFile(words, "no report");
    const { code, stderr } = await compare(baseline.path, words);
    expect(code).toBe(1);
    expect(stderr).toMatch(/words\.json is not JSON/);
    expect((await compare(baseline.path)).stderr).toMatch(/takes two reports/);
  });
});

describe("wrong usage", () => {
  it.each([
    [["--suite", "--stages", "mel"]],
    [["--cases", "plain", "--full-size"]],
    [["--compare-reports", "a", "b", "--baseline", "c"]],
    [["--suite", "--compare", "--runtime cpu"]],
    [["--suite", "--quality", "fast"]],
    [["--suite", "--size", "256"]],
  ])("bench %o: exit code 2", async (args) => {
    const { code, stderr } = await run("bench", ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot be used with/);
  });
});
