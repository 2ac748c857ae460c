import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { PROGRAM, run } from "./run.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-commands-"));
  vi.stubEnv("LATENTSYNC_HOME", join(folder, "home"));
  vi.stubEnv("HF_HOME", join(folder, "hub"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

describe("info", () => {
  it("tells runtimes, models and cache as JSON", async () => {
    const { code, stdout } = await run("info", "--json");
    expect(code).toBe(0);
    const facts = JSON.parse(stdout) as {
      readonly runtimes: readonly { readonly name: string; readonly available: boolean }[];
      readonly models: readonly unknown[];
    };
    expect(facts).toMatchObject({
      node: process.version,
      cache: { folder: join(folder, "home"), graphs: 0, bytes: 0 },
    });
    expect(facts.runtimes).toContainEqual(
      expect.objectContaining({ name: "cpu", available: true }),
    );
    expect(facts.models).toMatchObject([
      { name: "latentsync-1.5", isPulled: false, isBundled: false },
      { name: "latentsync-1.6", isPulled: false, isBundled: false },
      { name: "latentsync-demo", isPulled: false, isBundled: true },
    ]);
  });

  it("tells people, too", async () => {
    const { code, stdout } = await run("info");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}cpu +ready$/m);
    expect(stdout).toMatch(/^ {2}latentsync-1\.6 +not pulled$/m);
    expect(stdout).toMatch(/^ {2}latentsync-demo +[\d.]+ MiB, comes with the program$/m);
  });
});

describe("models", () => {
  it("list tells what can be pulled, and the licences", async () => {
    const { code, stdout } = await run("models", "list", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: "latentsync-1.5", isPulled: false },
      { name: "latentsync-1.6", isPulled: false },
      { name: "latentsync-demo", bytes: expect.any(Number), licences: [{ licence: "Apache-2.0" }] },
    ]);
    const { stdout: lines } = await run("models", "list");
    expect(lines).toMatch(/^latentsync-1\.5 .*openrail\+\+/m);
    expect(lines).toMatch(/^latentsync-demo +comes with the program, .*Apache-2\.0/m);
  });

  it("verify says how to get a model that is not there", async () => {
    const { code, stderr } = await run("models", "verify", "latentsync-1.5");
    expect(code).toBe(1);
    expect(stderr).toContain("latentsync-ts models pull latentsync-1.5");
  });

  it("verify reads the bundled model, too", async () => {
    const { code, stdout } = await run("models", "verify", "latentsync-demo");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^intact {2}@ls\/demo-model\/latentsync_unet\.pt {2}[\d.]+ MiB$/m);
  });
});

describe("bench", () => {
  it("times the stages that were asked for, and writes the report", async () => {
    const report = join(folder, "report.md");
    const args = ["bench", "--stages", "mel", "--rounds", "1", "--runtime", "cpu"];
    const { code, stdout, stderr } = await run(...args, "--report", report);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^1\/1 mel [\d.]+ ms$/m);
    expect(stdout).toMatch(/^\| mel \| 30 s of sound \|/m);
    expect(await readFile(report, "utf8")).toBe(stdout);
  });

  it("tells how much work the networks do, and their share of what the device reaches", async () => {
    const { code, stdout } = await run(
      ...["bench", "--stages", "vae-decode", "--rounds", "1", "--runtime", "cpu", "--json"],
    );
    expect(code).toBe(0);
    const { measurements, peak, hardware } = JSON.parse(stdout) as Record<string, unknown>;
    expect(measurements).toMatchObject([
      {
        name: "vae-decode",
        multiplyAdds: expect.any(Number),
        cpuMilliseconds: [expect.any(Number)],
      },
    ]);
    expect(peak).toMatchObject({ flopsPerSecond: expect.any(Number) });
    expect(hardware).toMatchObject({ gpus: expect.any(Array) });
  });

  it("compares two settings in turns", async () => {
    const report = join(folder, "comparison.json");
    const { code, stdout, stderr } = await run(
      ...[
        "bench",
        "--stages",
        "denoise",
        "--frames",
        "1",
        "--inference-steps",
        "2",
        "--rounds",
        "1",
      ],
      ...["--runtime", "cpu", "--compare", "--threads 1 --quality preview", "--report", report],
    );
    expect({ code, lines: stderr.match(/^1\/1 denoise [\d.]+ ms$/gm)?.length }).toEqual({
      code: 0,
      lines: 2,
    });
    expect(stdout).toMatch(/^Ours: cpu, float32, --quality exact --inference-steps 2\./m);
    expect(stdout).toMatch(
      /Other: cpu, float32, --threads 1 --quality preview --inference-steps 2\.$/m,
    );
    const { comparisons } = JSON.parse(await readFile(report, "utf8")) as Record<string, unknown>;
    expect(comparisons).toMatchObject([
      {
        stage: "denoise",
        ratio: { median: expect.any(Number), interval: [expect.any(Number), expect.any(Number)] },
        difference: { cosine: expect.any(Number) },
      },
    ]);
  });

  it("says why the official code cannot be run", async () => {
    const { code, stderr } = await run(
      ...["bench", "--official", folder, "--python", join(folder, "no-python"), "--rounds", "1"],
      ...["--stages", "unet-step", "--frames", "1", "--runtime", "cpu"],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/official code's process ended: .*no-python/);
    expect(stderr).toMatch(/Give a Python with torch/);
  });

  it("asks the official code for its own stages only", async () => {
    const { code, stderr } = await run("bench", "--official", folder, "--stages", "mel,crop");
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be asked for mel, crop alone/);
  });

  it("shows the report even where it cannot be written", async () => {
    const args = ["bench", "--stages", "mel", "--rounds", "1", "--runtime", "cpu", "--json"];
    const { code, stdout, stderr } = await run(...args, "--report", join(folder, "no/where.md"));
    expect(code).toBe(1);
    const [report, error] = stdout.split("\n");
    expect(JSON.parse(report ?? "")).toMatchObject({
      measurements: [{ name: "mel", milliseconds: [expect.any(Number)] }],
    });
    expect(JSON.parse(error ?? "")).toMatchObject({ type: "error", code: "io" });
    expect(stderr).toMatch(/no\/where\.md/);
  });
});

describe("wrong usage", () => {
  const infer = ["infer", "--video", "a", "--audio", "b", "--out", "c"];
  it.each([
    [["infer"], /required option/],
    [[...infer, "--inference-steps", "0"], /from 1 to/],
    [[...infer, "--guidance-scale", "x"], /from 0 to 20/],
    [[...infer, "--runtime", "tpu"], /Allowed choices/],
    [[...infer, "--face-at", "0.5"], /Expected x,y from 0,0/],
    [[...infer, "--face-at", "0.5,101%"], /Expected x,y from 0,0/],
    [[...infer, "--face-at", "1,2,3"], /Expected x,y from 0,0/],
    [[...infer, "--face-at", "-0.1,0"], /Expected x,y from 0,0|argument missing/],
    [["no-such-command"], /unknown command/],
    [["infer", "--no-such-flag"], /unknown option|required option/],
    [["models"], /Usage: latentsync-ts models/],
    [["models", "pull"], /missing required argument 'name'/],
    [["models", "list", "latentsync-1.6"], /too many arguments/],
    [["info", "--jsno"], /Did you mean --json/],
    [["bench", "--stages", "mel,lunch"], /Unknown: lunch. Known: mel, whisper,/],
    [["bench", "--rounds", "0"], /from 1 to/],
    [["bench", "--full-size", "--model", "x"], /cannot be used with/],
    [["bench", "--compare", "--runtime abacus"], /"--runtime abacus": .*Allowed choices are/],
    [["bench", "--compare", "a.json"], /"a\.json": .*too many arguments/],
    [["bench", "--compare", " "], /Expected options, such as/],
    [["bench", "--compare", "--threads 1", "--official", "x"], /cannot be used with/],
    [["bench", "--stages", "infer"], /infer needs --video and --audio/],
  ])("%o: exit code 2", async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(message);
  });

  it("is an event with --json", async () => {
    const { code, stdout, stderr } = await run("infer", "--json");
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ type: "error", code: "usage" });
    expect(stderr).toMatch(/^error: required option/);
  });
});

describe("the program", () => {
  it("prints version and help on stdout", async () => {
    expect((await run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await run("infer", "--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--guidance-scale");
    expect(help.stdout).toContain("Examples:");
  });

  it("does not crash when nobody reads what it prints", async () => {
    const child = spawn(process.execPath, [PROGRAM, "--help"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
    expect(stderr).toBe("");
  });
});
