import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LatentSyncError, type Runtime } from "@ls/core";
import { FakeModel, FakeRuntime } from "@ls/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { describeEnvironment } from "../../src/report.ts";
import { runSuite, type SuiteOptions } from "../../src/suite/run-suite.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-run-suite-"));
  // On Windows the temporary folder is looked up under the other two names.
  for (const name of ["TMPDIR", "TEMP", "TMP"]) vi.stubEnv(name, folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

function options(changes: Partial<SuiteOptions> = {}): SuiteOptions {
  return {
    model: new FakeModel(),
    runtime: new FakeRuntime(),
    precision: "float32",
    inferenceSteps: 1,
    environment: describeEnvironment({ versions: {}, runtime: "fake", model: "fake", command: "" }),
    signal: new AbortController().signal,
    ...changes,
  };
}

describe("an evaluation set", () => {
  it("runs nothing if the baseline cannot be compared", async () => {
    const first = await runSuite(options({ cases: ["no-face"] }));
    const [noFace] = first.cases;
    const inputs = { picturesSha256: "other", speechSha256: "other" };
    const baseline = { ...first, cases: [{ ...noFace!, inputs }] };
    const onCase = vi.fn<() => void>();
    const running = runSuite(options({ cases: ["no-face"], baseline, onCase }));
    await expect(running).rejects.toMatchObject({ code: "invalid_argument" });
    expect(onCase).not.toHaveBeenCalled();
  });

  it("goes on after a case that fails, in the set's order, and leaves no file behind", async () => {
    const broken: Runtime = {
      name: "broken",
      capabilities: new FakeRuntime().capabilities,
      createSession: () => Promise.reject(new LatentSyncError("runtime", "No session today.")),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const names: string[] = [];
    const onCase: SuiteOptions["onCase"] = ({ name }, index, count) => {
      names.push(`${index}/${count} ${name}`);
    };
    const cases = ["no-face", "plain"];
    const report = await runSuite(options({ runtime: broken, cases, onCase }));
    expect(names).toEqual(["0/2 plain", "1/2 no-face"]);
    expect(report.cases).toMatchObject([
      {
        name: "plain",
        failure: "runtime",
        message: "No session today.",
        framesSha256: null,
        figures: { frames: null, correlation: null },
      },
      { name: "no-face", failure: "runtime" },
    ]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("ends with the signal's reason", async () => {
    const stop = new AbortController();
    const onCase = (): void => stop.abort(new Error("enough"));
    const running = runSuite(
      options({ cases: ["odd-size", "no-face"], signal: stop.signal, onCase }),
    );
    await expect(running).rejects.toThrow("enough");
    expect(await readdir(folder)).toEqual([]);
  });

  it("knows its cases", async () => {
    await expect(runSuite(options({ cases: ["plain", "lunch"] }))).rejects.toMatchObject({
      code: "invalid_argument",
      message: "The evaluation set held-out-1 has no case lunch.",
      hint: expect.stringContaining("face-leaves"),
    });
  });
});
