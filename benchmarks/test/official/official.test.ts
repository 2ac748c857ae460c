import { join } from "node:path";
import { float32, LatentSyncError } from "@ls/core";
import type { ModelFiles } from "@ls/models";
import { FakeModel } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { measure } from "../../src/measure.ts";
import { unetFeeds } from "../../src/network-feeds.ts";
import { encodeMessage, MessageParser } from "../../src/official/messages.ts";
import { officialJob } from "../../src/official/official-job.ts";
import {
  type OfficialOptions,
  OfficialProcess,
  officialScript,
} from "../../src/official/official-process.ts";
import { officialStage } from "../../src/official/official-stages.ts";

const never = new AbortController().signal;
const FILES: ModelFiles = {
  unetConfig: "unet.yaml",
  unetPath: "unet.pt",
  vaeFolder: "vae",
  whisperPaths: ["tiny.pt"],
};
const WORKER = join(import.meta.dirname, "fake-official.worker.ts");

function options(...flags: readonly string[]): Omit<OfficialOptions, "signal"> {
  return {
    ...{ checkout: "checkout", python: "python3", files: FILES, precision: "float32" as const },
    command: [process.execPath, WORKER, ...flags],
  };
}

async function failureOf(work: Promise<unknown>): Promise<LatentSyncError> {
  const error = await work.catch((reason: unknown) => reason);
  if (!LatentSyncError.is(error)) throw new Error(`This is no LatentSyncError: ${String(error)}`);
  return error;
}

describe("messages", () => {
  const tensors = {
    a: float32([2, 2], Float32Array.of(1, -2, 3.5, 0)),
    newline: float32([1], new Float32Array(Uint8Array.of(10, 10, 10, 10).buffer)),
    empty: float32([0], new Float32Array()),
  };
  const bytes = Buffer.concat([
    encodeMessage({ operation: "first" }, tensors),
    encodeMessage({ operation: "second" }, {}),
  ]);

  it.each([1, 3, 7, 64, 10_000])("arrive whole in pieces of %i bytes", (size) => {
    const parser = new MessageParser();
    const messages = [];
    for (let start = 0; start < bytes.length; start += size) {
      messages.push(...parser.push(bytes.subarray(start, start + size)));
    }
    expect(messages).toEqual([
      { header: { operation: "first" }, tensors },
      { header: { operation: "second" }, tensors: {} },
    ]);
  });

  it("are told from other words", () => {
    expect(() => new MessageParser().push(Buffer.from("Loading weights\n"))).toThrow(
      /wrote "Loading weights\\n"/,
    );
  });
});

describe("the official code's process", () => {
  it("is opened with its settings, answers with its own times, and is ended", async () => {
    await using process = await OfficialProcess.open({ ...options(), threads: 3, signal: never });
    expect(process.versions).toEqual({ torch: "1.2.3" });
    expect(process.threads).toBe(3);
    const numbers = Float32Array.from({ length: 5000 }, (_, index) => index);
    const answer = await process.run("unet", { x: float32([5000], numbers) });
    expect(answer).toMatchObject({ milliseconds: 12, cpuMilliseconds: 24 });
    expect(answer.tensors["x"]?.data).toEqual(numbers.map((value) => 2 * value));
  });

  it("tells what failed in it, and goes on", async () => {
    await using process = await OfficialProcess.open({ ...options(), signal: never });
    const failure = await failureOf(process.run("unknown", {}));
    expect(failure).toMatchObject({ code: "runtime", message: /KeyError: unknown/ });
    expect((await process.run("unet", {})).milliseconds).toBe(12);
  });

  it("tells its last words when it dies, also to those who ask later", async () => {
    await using process = await OfficialProcess.open({ ...options("--die"), signal: never });
    const failure = await failureOf(process.run("unet", {}));
    expect(failure.code).toBe("unsupported");
    expect(failure.message).toContain("No module named 'torch'");
    await expect(process.run("unet", {})).rejects.toBe(failure);
  });

  it("is refused if it says other things on stdout", async () => {
    const failure = await failureOf(
      OfficialProcess.open({ ...options("--babble"), signal: never }),
    );
    expect(failure.message).toMatch(/wrote "Hello!/);
  });

  it("is missing where the program is", async () => {
    const nowhere = { ...options(), command: ["/no/such/python"] as const, signal: never };
    const failure = await failureOf(OfficialProcess.open(nowhere));
    expect(failure).toMatchObject({ code: "unsupported", message: /ENOENT/ });
  });

  it("ends with the signal's reason", async () => {
    const controller = new AbortController();
    const opened = await OfficialProcess.open({ ...options(), signal: controller.signal });
    await using process = opened;
    const answer = process.run("unet", {});
    controller.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
  });

  it("has its scripts beside the package", () => {
    expect(officialScript("official_worker.py")).toMatch(
      /benchmarks\/python\/official_worker\.py$/,
    );
  });
});

describe("official stages", () => {
  const { info } = new FakeModel();
  const stage = { ...options(), info, frames: 2 };

  it("ask for the same inputs, doubled for guidance, and take the process's times", async () => {
    const outputs: Float32Array[] = [];
    const [unet, decode] = await measure({
      benchmarks: [officialStage("unet-step", stage), officialStage("vae-decode", stage)],
      ...{ rounds: 2, signal: never },
      onOutput: (index, output) => (outputs[index] = output),
    });
    expect(unet).toMatchObject({
      name: "official unet-step",
      itemsPerRun: 2,
      milliseconds: [12, 12],
      cpuMilliseconds: [24, 24],
    });
    expect(decode?.unit).toBe("images");
    const [both = new Float32Array()] = outputs;
    const { sample } = unetFeeds(info, 2);
    const branch = sample.data.map((value) => 2 * value);
    expect(both.subarray(0, branch.length)).toEqual(branch);
    expect(both.subarray(branch.length)).toEqual(branch);
  });

  it("say so where their time is scaled from fewer steps", async () => {
    const sampling = { inferenceSteps: 20 };
    const [few, all] = await measure({
      benchmarks: [
        officialStage("denoise", { ...stage, sampling, measuredSteps: 2 }),
        officialStage("denoise", { ...stage, sampling }),
      ],
      ...{ rounds: 1, signal: never },
    });
    expect(few).toMatchObject({
      name: "official denoise, 20 steps (time of 2, scaled)",
      milliseconds: [120],
    });
    expect(all).toMatchObject({ name: "official denoise, 20 steps", milliseconds: [12] });
  });
});

describe("the official pipeline in a loaded process", () => {
  it("makes a video with each run, in a folder that goes with it, and takes its own times", async () => {
    const { precision: _, ...loaded } = options();
    const versions: Readonly<Record<string, string>>[] = [];
    const [job] = await measure({
      benchmarks: [
        officialJob({
          ...loaded,
          settings: { seed: 7 },
          onOpen: (process) => versions.push(process.versions),
        }),
      ],
      ...{ rounds: 2, signal: never },
    });
    expect(versions).toEqual([{ torch: "1.2.3" }]);
    expect(job).toMatchObject({
      ...{ name: "official job", unit: "runs", itemsPerRun: 1 },
      ...{ milliseconds: [12, 12], cpuMilliseconds: [24, 24] },
    });
  });
});
