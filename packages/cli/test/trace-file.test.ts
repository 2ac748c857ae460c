import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TraceSpan } from "@ls/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeUse, TraceFile } from "../src/trace-file.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "trace-"));
  path = join(folder, "trace.json");
});
afterEach(() => rm(folder, { recursive: true }));

interface TraceEvent {
  readonly ph: string;
  readonly name: string;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: Readonly<Record<string, unknown>>;
}

function span(track: string, startMs: number, endMs: number): TraceSpan {
  return { track, kind: "stage", name: track, startMs, endMs, details: { frame: startMs } };
}

function parse(text: string): TraceEvent[] {
  return (JSON.parse(text) as TraceEvent[]).filter(({ ph }) => ph !== undefined);
}

describe("a trace file", () => {
  it("holds metadata, and spans in microseconds", async () => {
    {
      using file = new TraceFile(path, { version: "1.2.3", steps: 20 });
      file.record(span("decode", 5, 8));
      expect(file.failure).toBeUndefined();
    }
    const events = parse(await readFile(path, "utf8"));
    expect(events.find(({ name }) => name === "settings")?.args).toEqual({
      version: "1.2.3",
      steps: 20,
    });
    expect(events.at(-1)).toMatchObject({
      ph: "X",
      name: "decode",
      cat: "stage",
      ts: 5000,
      dur: 3000,
      args: { frame: 5 },
    });
  });

  it("gives spans that overlap rows of their own, and names them", async () => {
    {
      using file = new TraceFile(path, {});
      for (const [start, end] of [
        [0, 4],
        [1, 5],
        [4, 6],
        [2, 7],
        [6, 8],
      ] as const) {
        file.record(span("align", start, end));
      }
      file.record(span("write", 0, 9));
    }
    const events = parse(await readFile(path, "utf8"));
    const names = events.flatMap(({ name, args }) =>
      name === "thread_name" ? [args["name"]] : [],
    );
    expect(names).toEqual(["align", "align 2", "align 3", "write"]);
    const spans = events.filter(({ ph }) => ph === "X");
    expect(spans.map(({ tid }) => tid)).toEqual([1, 2, 1, 3, 1, 4]);
  });

  it("can be read when the run has crashed", async () => {
    using file = new TraceFile(path, {});
    file.record(span("decode", 0, 1));
    for (let frame = 0; frame < 2000; frame++) file.record(span("write", frame, frame + 1));
    // Not closed: the array has no end, which readers of the format allow.
    const text = await readFile(path, "utf8");
    expect(parse(`${text.slice(0, text.lastIndexOf(","))}]`).length).toBeGreaterThan(500);
  });

  it("tells how busy each device was between its first network and its last", () => {
    using file = new TraceFile(path, {});
    const model = { kind: "model", name: "unet" } as const;
    file.record({ ...model, track: "cpu", startMs: 1000, endMs: 2000 });
    file.record({ ...span("cpu", 2000, 3000), kind: "idle" });
    file.record({ ...model, track: "cpu", startMs: 3000, endMs: 5000 });
    file.record({ ...model, track: "cuda 1", startMs: 0, endMs: 500 });
    expect(describeUse(file.deviceUse)).toBe(
      "cpu busy 75.0 % of 4.0 s, cuda 1 busy 100.0 % of 0.5 s",
    );
  });

  it("is refused where it cannot be written", () => {
    expect(() => new TraceFile(join(folder, "missing", "trace.json"), {})).toThrow(/ENOENT/);
  });

  const isLinux = process.platform === "linux";
  it.skipIf(!isLinux)("does not end the run when the disk is full (needs /dev/full)", () => {
    using file = new TraceFile("/dev/full", {});
    file.record(span("decode", 0, 1));
    expect(file.failure).toMatchObject({ code: "ENOSPC" });
  });
});
