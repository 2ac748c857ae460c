/** The part of `runtimeConformance` about order, abortion, disposal and memory. */
import { float32, tensor } from "@ls/core";
import { expect, it } from "vitest";
import {
  type CreateRuntime,
  expectError,
  failure,
  type Fixture,
  values,
  vector,
} from "./runtime-fixture.ts";
import { addModel, heavyModel, matmulModel, slowModel } from "./runtime-models.ts";

/** What a run that takes a while multiplies, and how often a session is opened. */
export interface Load {
  readonly side: number;
  readonly steps: number;
  readonly rounds: number;
}

export function order(fixture: () => Fixture, { side, steps }: Load): void {
  it("runs concurrent calls in order", async () => {
    await using session = await fixture().session(addModel());
    const finished: number[] = [];
    const runs = Array.from({ length: 8 }, async (_, index) => {
      const result = await session.run({ a: vector(index, 0, 0), b: vector(100, 0, 0) });
      finished.push(index);
      return values(result, "sum")[0];
    });
    expect(await Promise.all(runs)).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
    expect(finished).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("holds several sessions at once", async () => {
    await using adder = await fixture().session(addModel());
    await using multiplier = await fixture().session(matmulModel());
    const [sum, product] = await Promise.all([
      adder.run({ a: vector(1, 2, 3), b: vector(1, 2, 3) }),
      multiplier.run({ x: float32([1, 2], Float32Array.of(1, 1)) }),
    ]);
    expect(values(sum, "sum")).toEqual([2, 4, 6]);
    expect(values(product, "y")).toEqual([5, 7, 9]);
  });

  it("refuses a call whose signal is aborted", async () => {
    const { runtime } = fixture();
    const signal = AbortSignal.abort(new Error("stopped"));
    await using session = await fixture().session(addModel());
    const a = vector(1, 2, 3);
    const bytes = addModel();
    expect(await failure(session.run({ a, b: a }, { signal }))).toBe(signal.reason);
    expect(await failure(runtime.createSession({ bytes }, { signal }))).toBe(signal.reason);
  });

  it("drops a waiting run when it is aborted", async () => {
    const { session } = fixture();
    await using slow = await session(slowModel(side, steps));
    const x = float32([side, side], new Float32Array(side * side));
    const controller = new AbortController();
    const first = slow.run({ x });
    const second = failure(slow.run({ x }, { signal: controller.signal }));
    const third = slow.run({ x });
    controller.abort(new Error("stopped"));
    expect(await second).toBe(controller.signal.reason);
    expect((await first)["y"]?.dims).toEqual([side, side]);
    expect((await third)["y"]?.dims).toEqual([side, side]);
  });
}

export function disposal(
  create: CreateRuntime,
  fixture: () => Fixture,
  { side, steps }: Load,
): void {
  it("refuses a run after the session's disposal, which may be repeated", async () => {
    const session = await fixture().session(addModel());
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    const a = vector(1, 2, 3);
    await expectError(session.run({ a, b: a }), "disposed");
  });

  it("refuses everything after the runtime's disposal, which may be repeated", async () => {
    const runtime = await create();
    const session = await runtime.createSession({ bytes: addModel() });
    await runtime[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
    const a = vector(1, 2, 3);
    await expectError(session.run({ a, b: a }), "disposed");
    await expectError(runtime.createSession({ bytes: addModel() }), "disposed");
    await session[Symbol.asyncDispose]();
  });

  it.each(["session", "runtime"] as const)(
    "ends or rejects runs when the %s is disposed meanwhile",
    async (what) => {
      const runtime = await create();
      const session = await runtime.createSession({ bytes: slowModel(side, steps) });
      const x = float32([side, side], new Float32Array(side * side));
      const runs = [session.run({ x }), session.run({ x }), session.run({ x })].map(failure);
      await (what === "session" ? session : runtime)[Symbol.asyncDispose]();
      for (const error of await Promise.all(runs)) {
        if (error !== undefined) expect(error).toMatchObject({ code: "disposed" });
      }
      await runtime[Symbol.asyncDispose]();
    },
  );

  it("holds several runtimes at once, each disposed on its own", async () => {
    const first = await create();
    await using second = await create();
    await using session = await second.createSession({ bytes: addModel() });
    await first[Symbol.asyncDispose]();
    const a = vector(1, 2, 3);
    expect(values(await session.run({ a, b: a }), "sum")).toEqual([2, 4, 6]);
  });
}

export function memory(create: CreateRuntime, fixture: () => Fixture, { rounds }: Load): void {
  it("gives a session's memory back", async () => {
    await using runtime = await create();
    const count = 2 * 1024 * 1024;
    const modelBytes = count * Float32Array.BYTES_PER_ELEMENT;
    const index = tensor("int32", [1], Int32Array.of(count - 1));
    const path = await fixture().file("heavy.onnx", heavyModel(count));
    const useOnce = async (): Promise<void> => {
      await using session = await runtime.createSession({ path });
      expect(values(await session.run({ index }), "y")).toEqual([2]);
    };
    for (let round = 0; round < 10; round++) await useOnce();
    const before = process.memoryUsage.rss();
    for (let round = 0; round < rounds; round++) await useOnce();
    expect(process.memoryUsage.rss() - before).toBeLessThan((rounds * modelBytes) / 3);
  });
}
