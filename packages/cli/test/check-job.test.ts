import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkJob } from "../src/check-job.ts";
import { FaceDetectors } from "../src/face-detectors.ts";
import { parseInferOptions } from "../src/infer-arguments.ts";
import { PROGRAM, run } from "./run.ts";

let folder: string;
const file = (name: string): string => join(folder, name);
const hasPipes = process.platform !== "win32";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-check-"));
  for (const name of ["a.mp4", "a.wav", "points.json", "secret.mp4"]) {
    await writeFile(file(name), "something");
  }
  if (hasPipes) {
    for (const name of ["pipe", "pipe.png", "pipe.yaml"]) execFileSync("mkfifo", [file(name)]);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const files = (): Readonly<Record<string, string>> => ({
  video: file("a.mp4"),
  audio: file("a.wav"),
  out: file("o.mp4"),
});
const check = (more: Readonly<Record<string, unknown>>): Promise<void> =>
  checkJob(parseInferOptions({ ...files(), ...more }));

describe.runIf(hasPipes)("a pipe, which would never end, is refused at once", () => {
  it.each([
    ["video", "pipe", {}],
    ["audio", "pipe", {}],
    ["landmarks", "pipe", {}],
    ["face", "pipe.png", {}],
    ["unet-config", "pipe", { "unet-checkpoint": "a.pt" }],
    ["manifest", "pipe", {}],
    ["out", "pipe", {}],
  ])("as %s", async (option, name, more) => {
    await expect(check({ [option]: file(name), ...more })).rejects.toMatchObject({
      message: expect.stringContaining(`${file(name)} is not a regular file`) as unknown,
      hint: expect.any(String) as unknown,
    });
  });

  it.each(["pipe", "pipe.yaml"])("as the settings of serve, %s", async (name) => {
    const { code, stderr } = await run(
      "serve",
      ...["--config-path", file(name), "--weights-dir", folder, "--data-dir", file("data")],
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(new RegExp(`${file(name)}.* is not a regular file`));
    expect(stderr).toContain("pipes and devices are not read");
  });

  it("as certificate or key", async () => {
    const [pipe, some] = [file("pipe"), file("points.json")];
    for (const [cert, key] of [
      [pipe, some],
      [some, pipe],
    ]) {
      const job = check({ "c2pa-cert": cert, "c2pa-key": key });
      await expect(job).rejects.toThrow(/pipe is not a regular file/);
    }
  });

  it("as manifest to run again, and as jobs", async () => {
    expect((await run("rerun", file("pipe"))).stderr).toMatch(/pipe is not a manifest/);
    const batch = await run("batch", file("pipe"), "--results", file("r.jsonl"));
    expect(batch.stderr).toMatch(/pipe is not a file of jobs/);
  });
});

describe("a job", () => {
  it.each([
    [{}, undefined],
    [{ landmarks: "points.json", manifest: "m.json" }, undefined],
    [{ landmarks: "none.json" }, /none\.json does not exist/],
    [{ manifest: "none/m.json" }, /none does not exist/],
    [{ manifest: "." }, /is a folder/],
  ])("with %o", async (names, message) => {
    const paths = Object.entries(names).map(([option, name]) => [option, file(name)] as const);
    const checked = check(Object.fromEntries(paths));
    if (message === undefined) await expect(checked).resolves.toBeUndefined();
    else await expect(checked).rejects.toThrow(message);
  });

  it("that ends before it starts is refused before anything is loaded", async () => {
    await expect(check({ start: 3, end: 1 })).rejects.toMatchObject({
      code: "invalid_argument",
      message: "The part of the video must end after its start, but goes from 3 s to 1 s.",
    });
  });
});

const isRoot = process.getuid?.() === 0;
describe.skipIf(!isRoot)(`another user${isRoot ? "" : " (only root can become one)"}`, () => {
  const NOBODY = 65_534;
  const inferAs = (paths: Readonly<Record<string, string>>): string => {
    const args = Object.entries({ ...files(), ...paths }).flatMap(([name, path]) => [
      `--${name}`,
      path,
    ]);
    const become = `process.setgid(${NOBODY}); process.setuid(${NOBODY});`;
    const script = `${become} process.argv.splice(1, 0, "x"); await import(${JSON.stringify(PROGRAM)});`;
    try {
      const options = { encoding: "utf8", stdio: "pipe", cwd: "/" } as const;
      return execFileSync(
        process.execPath,
        ["--input-type=module", "-e", script, "infer", ...args],
        options,
      );
    } catch (error) {
      return String((error as { readonly stderr?: string }).stderr);
    }
  };

  it("is told what it may not read, and where it may not write", async () => {
    await chmod(folder, 0o755);
    await chmod(file("secret.mp4"), 0o600);
    await mkdir(file("closed"), { mode: 0o755 });
    await mkdir(file("open"));
    await chmod(file("open"), 0o777);
    const out = file("open/o.mp4");
    expect(inferAs({ out, video: file("secret.mp4") })).toMatch(
      /^error: .*secret\.mp4 cannot be read or written: EACCES/m,
    );
    expect(inferAs({ out, audio: file("secret.mp4") })).toMatch(/secret\.mp4 cannot be read/);
    expect(inferAs({ out, landmarks: file("secret.mp4") })).toMatch(/secret\.mp4 cannot be read/);
    expect(inferAs({ out: file("closed/o.mp4") })).toMatch(
      /^error: Nothing can be written to .*closed, where .*o\.mp4 is to lie\.$/m,
    );
    expect(inferAs({ out, manifest: file("closed/m.json") })).toMatch(
      /Nothing can be written to .*closed/,
    );
  });
});

describe("an engine's face detectors", () => {
  it("are those that requests need, started once, and closed with the engine", async () => {
    const order = ["left_brow", "right_brow", "nose"];
    const points = [
      [10, 10],
      [20, 10],
      [15, 20],
    ];
    const landmarks = file("good-points.json");
    await writeFile(landmarks, JSON.stringify({ order, points: [points] }));
    const detectors = await FaceDetectors.open({}, undefined as never);
    const of = async (needs: Parameters<FaceDetectors["for"]>[0]) =>
      (await detectors.for(needs)).detector;
    expect(await of({})).toBe(detectors.first);
    expect(await of({ face: { kind: "largest" } })).toBe(detectors.first);
    const [left, all] = await Promise.all([
      of({ face: { kind: "left" } }),
      of({ face: { kind: "all" } }),
    ]);
    expect(left).toBe(all);
    expect(left).not.toBe(detectors.first);
    const picture = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3) };
    expect(await (await of({ landmarks })).detect(picture, 0)).toMatchObject([{ points }]);
    await detectors[Symbol.asyncDispose]();
    await expect(of({})).rejects.toMatchObject({ code: "disposed" });
    await expect(left.detect(picture, 0)).rejects.toMatchObject({ code: "disposed" });
  });

  it("do not depend on requests where the official pipeline is followed", async () => {
    await using detectors = await FaceDetectors.open({ compat: true }, undefined as never);
    const { detector } = await detectors.for({ face: { kind: "all" } });
    expect(detector).toBe(detectors.first);
  });
});
