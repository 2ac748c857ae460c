import { LatentSyncError } from "@ls/core";
import { faceAlignerConformance } from "@ls/testing/conformance";
import { describe, expect, it } from "vitest";
import { createFaceAligner } from "../src/align/index.ts";
import { WorkerPool } from "../src/align/worker-pool.ts";

faceAlignerConformance("createFaceAligner", {
  create: (resolution) => createFaceAligner({ resolution, workers: 2 }),
});

describe("createFaceAligner", () => {
  it.each([0, 15, 256.5, 5000, Number.NaN])("refuses the resolution %d", (resolution) => {
    expect(() => createFaceAligner({ resolution })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  it.each([0, 1.5, 65])("refuses %d workers", (workers) => {
    expect(() => createFaceAligner({ resolution: 64, workers })).toThrow(
      expect.objectContaining({ code: "invalid_argument" }),
    );
  });

  it("rejects a wrong face in its worker and works on", async () => {
    await using aligner = createFaceAligner({ resolution: 64, workers: 1 });
    const matrix = [1, 0, 0, 0, 1, 0] as const;
    const { x, y, width, height } = aligner.region(matrix, 30, 30);
    const background = { x, y, width, height, data: new Uint8Array(width * height * 3) };
    const aligned = await aligner.align(background, matrix);
    await expect(aligner.restore(new Float32Array(5), aligned)).rejects.toSatisfy(
      (error) => LatentSyncError.is(error) && error.code === "invalid_argument",
    );
    await expect(aligner.align(background, matrix)).resolves.toEqual(aligned);
  });
});

type Command = "echo" | "crash" | "exit" | "hang";

/** A worker that does what it is told. */
const ENTRY = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from "node:worker_threads";
    parentPort.on("message", ({ command, number }) => {
      if (command === "crash") throw new Error("told to crash");
      if (command === "exit") process.exit(3);
      if (command === "echo") parentPort.postMessage(number);
    });
  `)}`,
);

function createPool(size: number): WorkerPool<{ command: Command; number: number }, number> {
  return new WorkerPool({ name: "Test pool", entry: ENTRY, workerData: undefined, size });
}

function told(command: Command, number = 0) {
  return () => ({ request: { command, number }, transfer: [] });
}

describe("WorkerPool", () => {
  it("answers every call with its own reply", async () => {
    await using pool = createPool(2);
    const numbers = Array.from({ length: 40 }, (_, index) => index);
    const replies = numbers.map(async (number) => await pool.run(told("echo", number)));
    expect(await Promise.all(replies)).toEqual(numbers);
  });

  it.each([
    ["crash", /told to crash/],
    ["exit", /exit code 3/],
  ] as const)("rejects the call whose worker ends by %s and serves the next", async (how, text) => {
    await using pool = createPool(1);
    const broken = pool.run(told(how));
    const next = pool.run(told("echo", 7));
    await expect(broken).rejects.toMatchObject({ code: "runtime" });
    await expect(broken).rejects.toThrow(text);
    expect(await next).toBe(7);
  });

  it("rejects when the worker cannot start", async () => {
    await using pool = new WorkerPool<number, number>({
      name: "Test pool",
      entry: new URL("./no-such-worker.js", import.meta.url),
      workerData: undefined,
      size: 1,
    });
    const call = pool.run(() => ({ request: 1, transfer: [] }));
    await expect(call).rejects.toMatchObject({ code: "runtime" });
  });

  it("drops queued work on abort without preparing it", async () => {
    await using pool = createPool(1);
    const first = pool.run(told("echo", 1));
    const controller = new AbortController();
    let prepared = false;
    const second = pool.run(() => {
      prepared = true;
      return told("echo", 2)();
    }, controller.signal);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    expect(await first).toBe(1);
    expect(await pool.run(told("echo", 3))).toBe(3);
    expect(prepared).toBe(false);
  });

  it("rejects at once on abort while a worker is busy, and keeps later replies apart", async () => {
    await using pool = createPool(1);
    const controller = new AbortController();
    const busy = pool.run(told("echo", 1), controller.signal);
    controller.abort(new Error("stop"));
    await expect(busy).rejects.toThrow("stop");
    expect(await pool.run(told("echo", 2))).toBe(2);
  });

  it("rejects a call that cannot be prepared and serves the next", async () => {
    await using pool = createPool(1);
    const call = pool.run(() => {
      throw new RangeError("no memory");
    });
    await expect(call).rejects.toThrow("no memory");
    expect(await pool.run(told("echo", 4))).toBe(4);
  });

  it("rejects what is queued or under way when it is disposed", async () => {
    const pool = createPool(1);
    const calls = [pool.run(told("hang")), pool.run(told("echo", 1))];
    const settled = Promise.allSettled(calls);
    await pool[Symbol.asyncDispose]();
    for (const result of await settled) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
    }
    await expect(pool.run(told("echo"))).rejects.toMatchObject({ code: "disposed" });
  });

  it("refuses more calls than it may queue", async () => {
    const pool = createPool(1);
    const calls = Array.from({ length: 1025 }, async () => await pool.run(told("hang")));
    const settled = Promise.allSettled(calls);
    await expect(pool.run(told("echo"))).rejects.toMatchObject({ code: "invalid_argument" });
    await pool[Symbol.asyncDispose]();
    await settled;
  });
});
