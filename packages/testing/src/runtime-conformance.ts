/** What every `Runtime` must do, as a vitest suite. */
import { float32, type Tensor, tensor } from "@ls/core";
import { describe, expect, it, type TestContext } from "vitest";
import {
  type CreateRuntime,
  expectError,
  type Fixture,
  useFixture,
  values,
  vector,
} from "./runtime-fixture.ts";
import { disposal, type Load, memory, order } from "./runtime-lifecycle.ts";
import {
  addBiasModel,
  addModel,
  castModel,
  convModel,
  identityModel,
  matmulModel,
  negateModel,
  severalOutputsModel,
  slowModel,
  unknownOperatorModel,
} from "./runtime-models.ts";

export interface RuntimeConformanceOptions {
  /** Why the runtime cannot be tested here; the suite is then skipped with this in its title. */
  readonly skip?: string | undefined;
  /** Why int64 values beyond 32 bits do not pass; that test is then skipped. */
  readonly narrowInt64?: string | undefined;
  /** The device is emulated in software: what takes long is made short. Default false. */
  readonly isEmulated?: boolean;
}

const USUAL_LOAD: Load = { side: 256, steps: 16, rounds: 50 };
const LIGHT_LOAD: Load = { side: 16, steps: 2, rounds: 20 };

function arithmetic(fixture: () => Fixture): void {
  it("adds", async () => {
    await using session = await fixture().session(addModel());
    const result = await session.run({ a: vector(1, 2, 3), b: vector(10, 20, 30) });
    expect(result["sum"]).toMatchObject({ dtype: "float32", dims: [3] });
    expect(values(result, "sum")).toEqual([11, 22, 33]);
  });

  it("multiplies matrices of any number of rows", async () => {
    await using session = await fixture().session(matmulModel());
    for (const rows of [1, 2, 5]) {
      const x = float32([rows, 2], new Float32Array(rows * 2).fill(2));
      const result = await session.run({ x });
      expect(result["y"]?.dims).toEqual([rows, 3]);
      expect(values(result, "y")).toEqual(Array.from({ length: rows }, () => [10, 14, 18]).flat());
    }
  });

  it("convolves with padding and bias", async () => {
    await using session = await fixture().session(convModel());
    const image = float32([1, 1, 2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    const result = await session.run({ image });
    expect(result["filtered"]?.dims).toEqual([1, 1, 2, 3]);
    expect(values(result, "filtered")).toEqual([13, 22, 17, 13, 22, 17]);
  });

  it("computes all outputs, or those asked for", async () => {
    await using session = await fixture().session(severalOutputsModel());
    const x = vector(-1, 2);
    const all = await session.run({ x });
    expect(Object.keys(all).toSorted()).toEqual(["doubled", "negated", "relu"]);
    expect(values(all, "negated")).toEqual([1, -2]);
    expect(values(all, "doubled")).toEqual([-2, 4]);
    expect(values(all, "relu")).toEqual([0, 2]);
    const some = await session.run({ x }, { outputs: ["relu", "doubled"] });
    expect(Object.keys(some).toSorted()).toEqual(["doubled", "relu"]);
    expect(values(some, "relu")).toEqual([0, 2]);
    await expectError(session.run({ x }, { outputs: ["absent"] }), "invalid_argument", "absent");
  });
}

function dataTypes(fixture: () => Fixture, narrowInt64: string | undefined): void {
  const cases: readonly Tensor[] = [
    tensor("int64", [3], BigInt64Array.of(1n, -2n, 2n ** 40n)),
    tensor("int32", [3], Int32Array.of(1, -2, 2 ** 30)),
    tensor("uint8", [3], Uint8Array.of(0, 128, 255)),
    tensor("bool", [3], Uint8Array.of(1, 0, 1)),
    tensor("float32", [3], Float32Array.of(1.5, -0.25, 3e38)),
    tensor("float16", [3], Uint16Array.of(0x3c00, 0xc000, 0x7bff)),
  ];
  it.for(cases)("passes $dtype through unchanged", async (x, context) => {
    if (x.dtype === "int64" && narrowInt64 !== undefined) context.skip(narrowInt64);
    await using session = await fixture().session(identityModel(x.dtype, [3]));
    expect(session.inputs).toEqual([{ name: "x", dtype: x.dtype, dims: [3] }]);
    expect(session.outputs).toEqual([{ name: "y", dtype: x.dtype, dims: [3] }]);
    expect((await session.run({ x }))["y"]).toEqual(x);
  });

  it("converts between uint8, bool, int32 and float32", async () => {
    await using fromBytes = await fixture().session(castModel("uint8", "float32"));
    const bytes = tensor("uint8", [2], Uint8Array.of(7, 255));
    expect(values(await fromBytes.run({ x: bytes }), "y")).toEqual([7, 255]);
    await using toBool = await fixture().session(castModel("float32", "bool"));
    const truth = await toBool.run({ x: vector(0, 2) });
    expect(truth["y"]).toEqual(tensor("bool", [2], Uint8Array.of(0, 1)));
    await using toInteger = await fixture().session(castModel("float32", "int32"));
    const integers = await toInteger.run({ x: vector(-3, 4) });
    expect(integers["y"]).toEqual(tensor("int32", [2], Int32Array.of(-3, 4)));
  });

  it("computes in half precision where it says so", async (context: TestContext) => {
    if (!fixture().runtime.capabilities.precisions.includes("float16")) {
      context.skip("the runtime does not claim float16");
    }
    await using widen = await fixture().session(castModel("float16", "float32"));
    const half = tensor("float16", [3], Uint16Array.of(0x3c00, 0xc100, 0x3555));
    const wide = values(await widen.run({ x: half }), "y");
    expect(wide).toEqual([1, -2.5, 0.333251953125]);
    await using narrow = await fixture().session(castModel("float32", "float16"));
    expect((await narrow.run({ x: vector(...wide) }))["y"]).toEqual(half);
  });

  it.each([
    { what: "a scalar", x: float32([], Float32Array.of(4)) },
    { what: "an empty tensor", x: float32([0, 3], new Float32Array(0)) },
  ])("takes $what", async ({ x }) => {
    await using session = await fixture().session(negateModel(x.dims));
    const { y } = await session.run({ x });
    expect(y).toEqual({ ...x, data: x.data.map((value) => -value) });
  });
}

function feeds(fixture: () => Fixture): void {
  it("leaves feeds intact and does not see later changes of them", async () => {
    await using session = await fixture().session(addModel());
    const buffer = Float32Array.of(9, 1, 2, 3, 9);
    const a = float32([3], buffer.subarray(1, 4));
    const b = vector(10, 20, 30);
    const running = session.run({ a, b });
    expect(buffer).toEqual(Float32Array.of(9, 1, 2, 3, 9));
    b.data.fill(0);
    expect(values(await running, "sum")).toEqual([11, 22, 33]);
    expect(buffer).toEqual(Float32Array.of(9, 1, 2, 3, 9));
    expect(values(await session.run({ a, b: a }), "sum")).toEqual([2, 4, 6]);
  });

  it("gives results that a later run does not touch", async () => {
    await using session = await fixture().session(addModel());
    const first = await session.run({ a: vector(1, 2, 3), b: vector(0, 0, 0) });
    await session.run({ a: vector(7, 8, 9), b: vector(0, 0, 0) });
    expect(values(first, "sum")).toEqual([1, 2, 3]);
  });

  it("names a missing, an unknown and a wrong feed", async () => {
    await using session = await fixture().session(addModel());
    const a = vector(1, 2, 3);
    const b = tensor("int32", [3], Int32Array.of(1, 2, 3));
    await expectError(session.run({ a }), "invalid_argument", "b");
    await expectError(session.run({ a, b: a, extra: a }), "invalid_argument", "extra");
    await expectError(session.run({ a, b }), "invalid_argument", "int32");
    await expectError(session.run({ a, b: vector(1, 2) }), "invalid_argument", "[2]");
    const matrix = float32([1, 3], new Float32Array(3));
    await expectError(session.run({ a, b: matrix }), "invalid_argument", "[1, 3]");
    const short = { dtype: "float32", dims: [3], data: new Float32Array(2) } as const;
    await expectError(session.run({ a, b: short }), "invalid_argument", "b");
    expect(values(await session.run({ a, b: a }), "sum")).toEqual([2, 4, 6]);
  });

  it("reports a graph that fails and goes on", async () => {
    await using session = await fixture().session(slowModel(2, 1));
    const x = float32([2, 2], Float32Array.of(1, 0, 0, 1));
    await expectError(session.run({ x: vector(1, 2, 3) }), "invalid_argument");
    expect(values(await session.run({ x }), "y")).toEqual([1, 0, 0, 1]);
  });
}

function dimensions(fixture: () => Fixture): void {
  it("names symbolic dimensions", async () => {
    await using session = await fixture().session(convModel());
    expect(session.inputs[0]?.dims).toEqual([1, 1, "height", "width"]);
  });

  it("fixes them if told so", async () => {
    const options = { dimensions: { rows: 2 } };
    await using session = await fixture().runtime.createSession({ bytes: matmulModel() }, options);
    expect(session.inputs[0]?.dims).toEqual([2, 2]);
    expect(session.outputs[0]?.dims).toEqual([2, 3]);
    const x = float32([2, 2], Float32Array.of(1, 0, 0, 1));
    expect(values(await session.run({ x }), "y")).toEqual([1, 2, 3, 4, 5, 6]);
    const wrong = float32([3, 2], new Float32Array(6));
    await expectError(session.run({ x: wrong }), "invalid_argument", "[3, 2]");
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses %s as a dimension", async (rows) => {
    const creation = fixture().runtime.createSession(
      { bytes: matmulModel() },
      { dimensions: { rows } },
    );
    await expectError(creation, "invalid_argument", "rows");
  });
}

function sources(fixture: () => Fixture): void {
  it("loads a file", async () => {
    const { runtime, file } = fixture();
    const path = await file("inside.onnx", addBiasModel().model);
    await using session = await runtime.createSession({ path });
    expect(values(await session.run({ x: vector(1, 2, 3) }), "y")).toEqual([11, 22, 33]);
  });

  it("loads a file with external data beside it", async () => {
    const { runtime, file } = fixture();
    const { model, external } = addBiasModel("outside.data");
    await file("outside.data", external);
    const path = await file("outside.onnx", model);
    await using session = await runtime.createSession({ path });
    expect(values(await session.run({ x: vector(1, 2, 3) }), "y")).toEqual([11, 22, 33]);
  });

  it("leaves the bytes of a model intact", async () => {
    const bytes = addModel();
    const before = bytes.slice();
    await using session = await fixture().session(bytes);
    expect(session.inputs).toHaveLength(2);
    expect(bytes).toEqual(before);
  });

  it("reports a missing file", async () => {
    const { runtime, file } = fixture();
    const present = await file("present.onnx", addModel());
    await expectError(runtime.createSession({ path: `${present}.absent` }), "not_found", "absent");
  });

  it("reports missing external data", async () => {
    const { runtime, file } = fixture();
    const path = await file("alone.onnx", addBiasModel("absent.data").model);
    await expectError(runtime.createSession({ path }), "not_found", "absent.data");
  });

  it.each([
    { what: "no bytes", bytes: new Uint8Array(0) },
    { what: "bytes that are no model", bytes: new Uint8Array(64).fill(0xff) },
    { what: "half a model", bytes: addModel().slice(0, 40) },
    { what: "an unknown operator", bytes: unknownOperatorModel() },
  ])("refuses $what", async ({ bytes }) => {
    const { runtime, file } = fixture();
    await expectError(runtime.createSession({ bytes }), "invalid_model");
    const path = await file("refused.onnx", bytes);
    await expectError(runtime.createSession({ path }), "invalid_model", "refused.onnx");
  });
}

/**
 * Declares the suite.
 * @param create makes a new runtime; called several times.
 */
export function runtimeConformance(
  name: string,
  create: CreateRuntime,
  { skip, narrowInt64, isEmulated = false }: RuntimeConformanceOptions = {},
): void {
  const title = `runtime conformance of ${name}`;
  const load = isEmulated ? LIGHT_LOAD : USUAL_LOAD;
  const reason = skip === undefined ? "" : ` (skipped: ${skip})`;
  describe.skipIf(skip !== undefined)(title + reason, () => {
    const fixture = useFixture(create);
    it("says what it is", () => {
      const { runtime } = fixture();
      expect(runtime.name).toMatch(/^[a-z][a-z0-9-]*$/u);
      expect(runtime.capabilities.precisions).toContain("float32");
    });
    describe("arithmetic", () => arithmetic(fixture));
    describe("data types", () => dataTypes(fixture, narrowInt64));
    describe("feeds", () => feeds(fixture));
    describe("dimensions", () => dimensions(fixture));
    // Before models that fail to load: some native runtimes hold on to memory after that.
    describe("memory", () => memory(create, fixture, load));
    describe("sources", () => sources(fixture));
    describe("order", () => order(fixture, load));
    describe("disposal", () => disposal(create, fixture, load));
  });
}
