import { appendFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareRuns } from "../src/manifest-compare.ts";
import { readManifest, type RunManifest } from "../src/manifest.ts";
import { QUICK_ARGUMENTS, type ShortClip, writeShortClip } from "./media/short-clip.ts";
import { run } from "./run.ts";

let folder: string;
let clip: ShortClip;
let manifest: RunManifest;
const file = (name: string): string => join(folder, name);

async function writeManifest(name: string, changes: object): Promise<string> {
  await writeFile(file(name), JSON.stringify({ ...manifest, ...changes }));
  return file(name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-rerun-"));
  clip = await writeShortClip(file("clip"));
  const inputs = ["--video", clip.video, "--audio", clip.audio, "--out", file("out.mp4")];
  const more = ["--seed", "-1", "--crf", "30", "--manifest", file("run.json")];
  const { code, stderr } = await run("infer", ...inputs, ...QUICK_ARGUMENTS, ...more);
  expect({ code, stderr: stderr.includes("error") }).toEqual({ code: 0, stderr: false });
  manifest = await readManifest(file("run.json"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("rerun", () => {
  it("makes the same bytes from the manifest alone", async () => {
    const { code, stdout, stderr } = await run("rerun", file("run.json"));
    expect(stderr).toMatch(/^The same \d+ bytes as then\.$/m);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${file("out.rerun.mp4")}\n` });
    const [first, second] = await Promise.all(
      ["out.mp4", "out.rerun.mp4"].map((name) => readFile(file(name))),
    );
    expect(second?.equals(first as Buffer)).toBe(true);
    // What is there is not overwritten by a name that nobody gave, nor what it is compared with.
    expect((await run("rerun", file("run.json"))).stderr).toMatch(/out\.rerun\.mp4 exists already/);
    const self = await run("rerun", file("run.json"), "--out", file("out.mp4"));
    expect(self.stderr).toMatch(/out\.mp4 exists already/);
  });

  it("says which file is another one or not there, and takes it from elsewhere", async () => {
    await writeFile(file("other.wav"), await readFile(clip.audio));
    await appendFile(file("other.wav"), "x");
    const again = ["rerun", file("run.json"), "--out", file("b.mp4")];
    const other = await run(...again, "--audio", file("other.wav"));
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/not the files of the manifest: audio .*other\.wav: [0-9a-f]{64}/);
    const moved = file("moved.mp4");
    await rename(clip.video, moved);
    try {
      const gone = await run(...again);
      expect(gone.stderr).toMatch(/face\.mp4 does not exist[^]*--video/);
      const found = await run(...again, "--video", moved);
      expect(found.code).toBe(0);
    } finally {
      await rename(moved, clip.video);
    }
  });

  it("says that the bytes differ, and what else does", async () => {
    const { libraries, output } = manifest;
    const path = await writeManifest("older.json", {
      libraries: { ...libraries, "node-av": "0.0.1" },
      output: { ...output, sha256: "0".repeat(64) },
    });
    const { code, stderr } = await run("rerun", path, "--out", file("c.mp4"));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^node-av: 0\.0\.1 then, \d+\.\d+.* now$/m);
    expect(stderr).toMatch(/^error: .*other bytes than then.*these differ: node-av\.$/m);
  });

  it("refuses another model, and files that are no manifest", async () => {
    const model = { ...manifest.model, sha256: "1".repeat(64) };
    const other = await run(
      "rerun",
      await writeManifest("m.json", { model }),
      "--out",
      file("d.mp4"),
    );
    expect(other.stderr).toMatch(/The model is another one/);
    await writeFile(file("text.json"), "no JSON");
    await writeFile(file("old.json"), JSON.stringify({ ...manifest, format: "something else" }));
    for (const name of ["text.json", "old.json", "clip", "none.json"]) {
      const { code, stderr } = await run("rerun", file(name));
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/no manifest|not a manifest|not exist/) as unknown,
      });
    }
    expect(await readdir(folder)).not.toContain("d.mp4");
  });
});

describe("a manifest", () => {
  it("holds what was chosen and drawn, and hashes of everything that was read", () => {
    expect(manifest).toMatchObject({
      software: { name: "latentsync-ts" },
      model: {
        name: "latentsync-demo",
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
      },
      runtime: { name: "cpu", threads: 1, precision: "float32" },
      options: {
        model: "latentsync-demo",
        runtime: "cpu",
        precision: "float32",
        crf: "30",
        "inference-steps": "1",
      },
      inputs: {
        video: { path: clip.video, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown },
        audio: { path: clip.audio },
      },
      output: { path: file("out.mp4") },
      frames: 22,
      framesWithoutFace: 0,
    });
    expect(manifest.options["seed"]).toBeGreaterThanOrEqual(0);
    expect(Object.keys(manifest.libraries)).toEqual(["node", "onnxruntime-node", "node-av"]);
  });

  it("tells hardware and versions apart", () => {
    const runtime = { ...manifest.runtime, hardware: "another processor" };
    expect(compareRuns(manifest, manifest)).toEqual([]);
    expect(compareRuns(manifest, { ...manifest, runtime, platform: "plan9-mips" })).toEqual([
      { what: "platform", before: manifest.platform, now: "plan9-mips" },
      { what: "hardware", before: manifest.runtime.hardware, now: "another processor" },
    ]);
  });
});
