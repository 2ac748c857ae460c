import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatSuiteReport } from "../../src/suite/format-suite.ts";
import { readSuiteReport } from "../../src/suite/suite-report.ts";
import { caseResult, failedCase, report } from "./hand-made-reports.ts";

const expected = { failure: "no_face", frames: 32, framesWithoutFace: 32 };
const REPORT = report([
  caseResult(),
  failedCase("no_face", { name: "no-face", expected }),
  failedCase("runtime", { name: "broken" }),
]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-suite-report-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function store(name: string, content: unknown): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("a stored report", () => {
  it("is read as it was written", async () => {
    expect(await readSuiteReport(await store("good.json", REPORT))).toEqual(REPORT);
  });

  const [first] = REPORT.cases;
  it.each<[string, unknown, RegExp]>([
    ["text", "# Report", /is not JSON/],
    ["a benchmark's report", { measurements: [] }, /has no format instead of latentsync-suite/],
    ["nothing", "null", /has no format/],
    ["another format", { format: "x/2" }, /the format "x\/2" instead of/],
    ["no settings", { ...REPORT, settings: undefined }, /report\.settings is missing/],
    ["cases that are none", { ...REPORT, cases: {} }, /report\.cases is {}/],
    [
      "a figure in words",
      { ...REPORT, cases: [{ ...first, figures: { ...first?.figures, correlation: "good" } }] },
      /report\.cases\[0\]\.figures\.correlation is "good"/,
    ],
    [
      "a name that is null",
      { ...REPORT, cases: [{ ...first, name: null }] },
      /report\.cases\[0\]\.name is null/,
    ],
  ])("is refused if it is %s", async (_what, content, message) => {
    await expect(readSuiteReport(await store("bad.json", content))).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(message),
    });
  });

  it("must be there", async () => {
    const reading = readSuiteReport(join(folder, "nowhere.json"));
    await expect(reading).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a report for people", () => {
  it("tells how every case ended, with its figures", () => {
    const text = formatSuiteReport(REPORT);
    expect(text).toMatch(/^Evaluation set held-out-1: 5 steps, guidance 1\.5, seed 1247\.$/m);
    expect(text).toMatch(/^Model: demo 0123456789ab\. Runtime: cpu, float32\.$/m);
    expect(text).toMatch(
      /^\| plain +\| frames cc +\| 32 +\| 10 +\| 0\.900 +\| 0 +\| 0\.9990 +\| 23\.0 dB +\| 0\.050 +\| 10\.0 s \| 1024 MiB \|$/m,
    );
    expect(text).toMatch(/^\| no-face +\| error no_face, as it must +\| - /m);
    expect(text).toMatch(/^\| broken +\| error runtime +\| - /m);
    expect(text).toContain("\n- broken: It failed: runtime.\n");
  });
});
