import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probeVideo } from "@ls/video";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KeptEngine } from "../src/batch-engines.ts";
import type { BatchResult } from "../src/batch-jobs.ts";
import { type BatchEvent, runBatch } from "../src/batch-run.ts";
import { parseInferOptions } from "../src/infer-arguments.ts";
import type { InferFlags } from "../src/infer-job.ts";
import { QUICK, QUICK_ARGUMENTS, type ShortClip, writeShortClip } from "./media/short-clip.ts";
import { run } from "./run.ts";

let folder: string;
let clip: ShortClip;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "latentsync-batch-"));
  clip = await writeShortClip(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeJobs(name: string, ...lines: readonly (object | string)[]): Promise<string> {
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  await writeFile(file(name), `${texts.join("\n")}\n`);
  return file(name);
}

async function readResults(path: string): Promise<readonly BatchResult[]> {
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as BatchResult);
}

describe("batch", () => {
  it("goes on after failures, and does what is left when it is started again", async () => {
    const good = { ...clip, ...QUICK, out: file("one.mp4") };
    const jobs = await writeJobs(
      "jobs.jsonl",
      { ...good, trace: file("one.trace") },
      "",
      "{ this is no JSON",
      { ...good, out: file("two.mp4"), video: file("no.mp4") },
      { ...good, seed: 5 },
      { ...good, out: file("three.mp4"), quality: "best" },
    );
    const { code, stdout, stderr } = await run("batch", jobs);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${good.out}\n` });
    expect(stderr).toContain("1 done, 4 failed, 0 finished before");
    expect(stderr).toMatch(/^error: 4 of 5 jobs failed\.$/m);
    expect(stderr).toContain(`Trace in ${file("one.trace")}`);
    expect(await readFile(file("one.trace"), "utf8")).toContain("vae_decoder");
    const results = await readResults(file("jobs.results.jsonl"));
    expect(results).toMatchObject([
      { line: 1, status: "ok", output: good.out, frames: 22, framesWithoutFace: 0 },
      { line: 3, status: "error", code: "invalid_argument" },
      { line: 4, status: "error", code: "not_found", output: file("two.mp4") },
      { line: 5, status: "error", code: "conflict" },
      { line: 6, status: "error", code: "invalid_argument" },
    ]);
    for (const { seconds, message, hint, status } of results) {
      expect(seconds).toBeGreaterThanOrEqual(0);
      if (status === "error") expect([typeof message, typeof hint]).toEqual(["string", "string"]);
    }
    expect(await readdir(folder)).not.toContain("two.mp4");

    // The next start: the line that is done is left out, also when the results end in a torn line.
    const text = await readFile(file("jobs.results.jsonl"), "utf8");
    await writeFile(file("jobs.results.jsonl"), `${text}{"line":9,"key`);
    const again = await run("batch", jobs, "--json");
    expect(again.code).toBe(1);
    const events = again.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as BatchEvent | { readonly type: "error" });
    expect(events.filter(({ type }) => type === "job")).toMatchObject([
      { line: 1, job: 1, jobs: 5, skipped: true },
      { line: 3 },
      { line: 4 },
      { line: 5 },
      { line: 6 },
    ]);
    expect(events.at(-1)).toMatchObject({ type: "error", code: "unmet" });
    const lines = (await readFile(file("jobs.results.jsonl"), "utf8")).trimEnd().split("\n");
    expect(lines).toHaveLength(5 + 1 + 4);
    expect(() => JSON.parse(lines[6] as string) as unknown).not.toThrow();
  });

  it("loads one engine for all lines, and stops at once on Ctrl-C without a result", async () => {
    const good = { ...clip, ...QUICK, "inference-steps": 200 };
    const jobs = await writeJobs(
      "stopped.jsonl",
      { ...good, "inference-steps": 1, out: file("a.mp4") },
      { ...good, out: file("b.mp4") },
      { ...good, out: file("c.mp4") },
    );
    const stop = new AbortController();
    const reason = new Error("stopped");
    const graphs: string[] = [];
    const events: BatchEvent[] = [];
    const running = runBatch({
      jobs,
      results: file("stopped.results.jsonl"),
      hooks: {
        signal: stop.signal,
        onGraphProgress: (network, done) => void (done === 0 && graphs.push(network)),
      },
      report: (event) => {
        events.push(event);
        if (event.type === "step" && event.steps === 200) stop.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(new Set(graphs).size).toBe(graphs.length);
    expect(events.filter(({ type }) => type === "job")).toHaveLength(2);
    expect(await readResults(file("stopped.results.jsonl"))).toMatchObject([{ line: 1 }]);
    expect((await readdir(folder)).filter((name) => /^\.|^[bc]\.mp4/.test(name))).toEqual([]);
  });

  it("keeps the engine for lines that differ in what is not the engine's", async () => {
    const [landmarks, others] = [file("points.json"), file("other-points.json")];
    const order = ["left_brow", "right_brow", "nose"];
    for (const path of [landmarks, others]) {
      await writeFile(path, JSON.stringify({ order, points: [null] }));
    }
    const flagsOf = (more: object): InferFlags =>
      parseInferOptions({ ...clip, ...QUICK, out: file("kept.mkv"), ...more });
    let loads = 0;
    await using engines = new KeptEngine({}, () => void (loads += 1));
    const lines = [
      ...[{}, { codec: "ffv1" }, { crf: 30 }, { "frames-out": file("pictures") }],
      ...[{ face: "all" }, { "face-at": "0.5,0.5" }, { seed: 3, quality: "fast" }],
      { loop: "cut", silence: "keep", fps: "source", start: 0.1 },
    ];
    const first = await engines.for(flagsOf({}));
    for (const line of lines) expect(await engines.for(flagsOf(line))).toBe(first);
    expect(loads).toBe(1);
    await expect(engines.for(flagsOf({ start: 2, end: 1 }))).rejects.toThrow(/from 2 s to 1 s/);
    expect(loads).toBe(1);
    const pointed = await engines.for(flagsOf({ landmarks }));
    expect(await engines.for(flagsOf({ landmarks: others }))).toBe(pointed);
    expect(loads).toBe(2);
  });

  it("writes each line as it says, with one engine", async () => {
    const job = { ...clip, ...QUICK, end: 0.4, loop: "cut" };
    const jobs = await writeJobs(
      "codecs.jsonl",
      { ...job, out: file("a.mkv"), codec: "ffv1" },
      { ...job, out: file("b.mp4"), crf: 40 },
      { ...job, out: file("c.mp4") },
    );
    const summary = await runBatch({
      jobs,
      results: file("codecs.results.jsonl"),
      hooks: { signal: new AbortController().signal },
      report: () => undefined,
    });
    expect(summary).toEqual({ done: 3, failed: 0, skipped: 0 });
    const inputs = ["--video", clip.video, "--audio", clip.audio, "--end", "0.4", "--loop", "cut"];
    const alone = await run("infer", ...inputs, ...QUICK_ARGUMENTS, "--out", file("alone.mp4"));
    expect(alone.code, alone.stderr).toBe(0);
    const made = await Promise.all(["a.mkv", "b.mp4", "c.mp4"].map((name) => readFile(file(name))));
    expect((await probeVideo(file("a.mkv"))).video.codec).toBe("ffv1");
    expect(made[1]?.length).toBeLessThan(made[2]?.length ?? 0);
    expect(made[2]?.equals(await readFile(file("alone.mp4")))).toBe(true);
  });

  it("does a job again whose output is gone or another one", async () => {
    const job = { ...clip, ...QUICK, out: file("gone.mp4") };
    const jobs = await writeJobs("gone.jsonl", job);
    expect((await run("batch", jobs, "--results", file("g.jsonl"))).code).toBe(0);
    const first = await readFile(job.out);
    await writeFile(job.out, "another file");
    expect((await run("batch", jobs, "--results", file("g.jsonl"))).code).toBe(0);
    expect((await readFile(job.out)).equals(first)).toBe(true);
    const last = await run("batch", jobs, "--results", file("g.jsonl"));
    expect(last.stderr).toContain("0 done, 0 failed, 1 finished before");
  });

  it.each([
    ["an empty file", "", /holds no job/],
    ["the results in the jobs", "{}", /cannot hold jobs and results/],
  ])("refuses %s", async (_, text, message) => {
    const jobs = await writeJobs("wrong.jsonl", text);
    const more = text === "" ? [] : ["--results", jobs];
    const { code, stderr } = await run("batch", jobs, ...more);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(message) as unknown,
    });
  });

  it("refuses a device and a folder in place of jobs", async () => {
    for (const jobs of ["/dev/zero", folder, file("none.jsonl")]) {
      expect((await run("batch", jobs, "--results", file("w.jsonl"))).code).toBe(1);
    }
  });
});
