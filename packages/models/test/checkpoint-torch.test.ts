import { readFile, truncate, writeFile } from "node:fs/promises";
import { hasReference, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { writeTorchCheckpoint } from "../src/checkpoint/checkpoint-writer.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { openTorchCheckpoint } from "../src/checkpoint/torch-checkpoint.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";
import {
  bytes,
  elementBytes,
  integer,
  pickle,
  tensor,
  text,
  tuple,
  writeArchive,
} from "./torch-fixtures.ts";

const temporary = useTemporaryFolder();

async function readAll(path: string, name: string): Promise<number[]> {
  await using checkpoint = await openTorchCheckpoint(path);
  return [...(await checkpoint.readFloat32(name))];
}

describe("torch checkpoints", () => {
  it("come back as they were written", async () => {
    const path = temporary("written.pt");
    const tensors = createRandomTensors(
      new Map([
        ["conv_in.weight", [4, 3, 3, 3]],
        ["norm.bias", [5]],
        ["scale", []],
        ["empty", [0, 4]],
      ]),
    );
    const dims = { width: 384, ratio: -2.5, tags: ["a", null, true], large: 2 ** 40 };
    await writeTorchCheckpoint(path, {
      values: { global_step: 70_000, dims },
      tensorsKey: "state_dict",
      tensors,
    });
    await using checkpoint = await openTorchCheckpoint(path);
    expect(checkpoint.metadata).toEqual({ global_step: 70_000, dims });
    const selected = checkpoint.select("state_dict");
    expect([...selected.entries.values()]).toEqual([...tensors.entries.values()]);
    for (const name of tensors.entries.keys()) {
      expect(await selected.readFloat32(name)).toEqual(await tensors.readFloat32(name));
      expect(await checkpoint.readFloat32(`state_dict.${name}`)).toEqual(
        await tensors.readFloat32(name),
      );
    }
  });

  it("keep half precision's values", async () => {
    const path = temporary("half.pt");
    const tensors = createRandomTensors(new Map([["w", [50, 20]]]));
    await writeTorchCheckpoint(path, { values: {}, tensorsKey: "t", tensors, dtype: "float16" });
    await using checkpoint = await openTorchCheckpoint(path);
    expect(checkpoint.entries.get("t.w")?.dtype).toBe("float16");
    const values = await checkpoint.readFloat32("t.w");
    const exact = await tensors.readFloat32("w");
    for (const [index, value] of values.entries()) {
      expect(Math.abs(value - (exact[index] ?? Number.NaN))).toBeLessThan(2 ** -11);
    }
  });

  it("have records aligned to 64 bytes", async () => {
    const path = temporary("aligned.pt");
    const tensors = createRandomTensors(
      new Map([
        ["a", [3]],
        ["b", [7]],
      ]),
    );
    await writeTorchCheckpoint(path, { values: {}, tensorsKey: "t", tensors });
    const file = await readFile(path);
    const wanted = elementBytes(await tensors.readFloat32("b"));
    expect(file.indexOf(wanted) % 64).toBe(0);
    expect(file.indexOf(wanted)).toBeGreaterThan(0);
  });

  it("are read in the zip64 form that files over 4 GB have", async () => {
    const path = temporary("zip64.pt");
    const values = new Float32Array(64).map((_, index) => index);
    const item = tensor({
      storage: "FloatStorage",
      key: "0",
      elements: 64,
      shape: [64],
      strides: [1],
    });
    await writeArchive(
      path,
      { "data.pkl": pickle({ x: item }), "data/0": elementBytes(values), version: bytes("3\n") },
      100,
    );
    expect(await readAll(path, "x")).toEqual([...values]);
  });

  it.each([
    ["FloatStorage", elementBytes(new Float32Array([1.5, -2])), [1.5, -2]],
    ["DoubleStorage", elementBytes(new Float64Array([1.5, -2])), [1.5, -2]],
    ["HalfStorage", elementBytes(new Uint16Array([0x3e00, 0xc000])), [1.5, -2]],
    ["HalfStorage", elementBytes(new Uint16Array([0x0001, 0x7bff])), [2 ** -24, 65_504]],
    ["HalfStorage", elementBytes(new Uint16Array([0x7c00, 0xfc00])), [Infinity, -Infinity]],
    ["BFloat16Storage", elementBytes(new Uint16Array([0x3fc0, 0xc000])), [1.5, -2]],
    ["LongStorage", elementBytes(new BigInt64Array([7n, -2n])), [7, -2]],
    ["IntStorage", elementBytes(new Int32Array([7, -2])), [7, -2]],
    ["ByteStorage", new Uint8Array([7, 255]), [7, 255]],
    ["BoolStorage", new Uint8Array([0, 1]), [0, 1]],
  ])("read %s", async (storage, data, expected) => {
    const path = temporary("dtype.pt");
    const item = tensor({ storage, key: "0", elements: 2, shape: [2], strides: [1] });
    await writeArchive(path, { "data.pkl": pickle({ x: item }), "data/0": data });
    expect(await readAll(path, "x")).toEqual(expected);
  });

  it("gather transposed, sliced and channels-last tensors of a shared storage", async () => {
    const path = temporary("strided.pt");
    const storage = { storage: "FloatStorage", key: "s", elements: 24 };
    await writeArchive(path, {
      "data.pkl": pickle({
        // As torch gives arange(24).reshape(2, 3, 4): .transpose(0, 2) and [1, :, 1:3].
        transposed: tensor({ ...storage, shape: [4, 3, 2], strides: [1, 4, 12] }),
        sliced: tensor({ ...storage, offset: 13, shape: [3, 2], strides: [4, 1] }),
        last: tensor({ ...storage, shape: [1, 2, 3, 4], strides: [24, 1, 8, 2] }),
        scalar: tensor({ ...storage, offset: 23, shape: [], strides: [] }),
      }),
      "data/s": elementBytes(new Float32Array(24).map((_, index) => index)),
    });
    expect((await readAll(path, "transposed")).slice(0, 8)).toEqual([0, 12, 4, 16, 8, 20, 1, 13]);
    expect(await readAll(path, "sliced")).toEqual([13, 14, 17, 18, 21, 22]);
    expect((await readAll(path, "last")).slice(0, 5)).toEqual([0, 2, 4, 6, 8]);
    expect(await readAll(path, "scalar")).toEqual([23]);
  });

  it("unwrap parameters", async () => {
    const path = temporary("parameter.pt");
    const inner = tensor({
      storage: "FloatStorage",
      key: "0",
      elements: 1,
      shape: [1],
      strides: [1],
    });
    const item = bytes(
      "ctorch._utils\n_rebuild_parameter\n",
      tuple(inner, 0x88, "ccollections\nOrderedDict\n)R"),
      "R",
    );
    await writeArchive(path, {
      "data.pkl": pickle({ p: item }),
      "data/0": elementBytes(new Float32Array([3])),
    });
    expect(await readAll(path, "p")).toEqual([3]);
  });
});

describe("torch checkpoints that are refused", () => {
  const one = { storage: "FloatStorage", key: "0", elements: 1, shape: [1], strides: [1] };
  const data = elementBytes(new Float32Array([1]));

  async function refused(records: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const path = temporary("refused.pt");
    await writeArchive(path, records);
    const error = await rejection(openTorchCheckpoint(path));
    expect(error.code).toBe("invalid_model");
    expect(error.hint).toBeDefined();
    return error.message;
  }

  it("name the global they would call", async () => {
    const evil = bytes("cposix\nsystem\n", tuple(text("echo harm")), "R");
    expect(await refused({ "data.pkl": pickle({ x: evil }) })).toContain('"posix.system"');
    const module = bytes("ctorch.nn.modules.linear\nLinear\n");
    expect(await refused({ "data.pkl": pickle({ x: module }) })).toContain("linear.Linear");
  });

  it("name the global of a protocol 4 pickle too", async () => {
    const short = (value: string): Buffer => bytes(0x8c, value.length, value);
    const evil = bytes(0x80, 4, short("builtins"), short("eval"), 0x93, ".");
    expect(await refused({ "data.pkl": evil })).toContain('"builtins.eval"');
  });

  it("name the opcode that is not known", async () => {
    expect(await refused({ "data.pkl": bytes(0x80, 2, "i") })).toContain("opcode 0x69 at 2");
  });

  it("say that a call's target is no function", async () => {
    const item = bytes("ctorch\nFloatStorage\n", tuple(integer(1)), "R");
    expect(await refused({ "data.pkl": pickle({ x: item }) })).toContain("torch.FloatStorage");
  });

  it.each([
    ["a missing record", { "data.pkl": pickle({ x: tensor(one) }) }, "data/0, which is missing"],
    [
      "a storage that lies about its size",
      { "data.pkl": pickle({ x: tensor({ ...one, elements: 2_000_000_000 }) }), "data/0": data },
      "a storage of 8000000000 bytes, but its record has 4",
    ],
    [
      "a tensor beyond its storage",
      {
        "data.pkl": pickle({ x: tensor({ ...one, shape: [1000], strides: [1] }) }),
        "data/0": data,
      },
      "reaches to element 1000 of a storage of 1",
    ],
    [
      "an expanded tensor",
      {
        "data.pkl": pickle({
          x: tensor({ ...one, shape: [2_000_000_000, 1000], strides: [0, 0] }),
        }),
        "data/0": data,
      },
      "repeats elements",
    ],
    [
      "a program",
      { "data.pkl": pickle({}), "constants.pkl": pickle({}) },
      "it is a TorchScript program",
    ],
    ["no pickle", { "data/0": data }, "has not exactly one data.pkl"],
    [
      "another byte order",
      { "data.pkl": pickle({}), byteorder: bytes("big") },
      'its byte order is "big"',
    ],
  ])("with %s", async (_, records, message) => {
    expect(await refused(records)).toContain(message);
  });

  it("that nest without end or multiply when unfolded", async () => {
    const self = bytes(0x80, 2, "]q", 0, "h", 0, "a.");
    expect(await refused({ "data.pkl": self })).toContain("nested over");
    const laughs = Array.from({ length: 30 }, (_, level) =>
      level === 0
        ? bytes(
            "(",
            Array.from({ length: 10 }, () => "N"),
            "tq",
            0,
          )
        : bytes(
            "(",
            Array.from({ length: 10 }, () => ["h", level - 1]),
            "tq",
            level,
          ),
    );
    expect(await refused({ "data.pkl": bytes(0x80, 2, laughs, ".") })).toContain("number over");
    const nested = bytes(
      0x80,
      2,
      "N",
      Array.from({ length: 100_000 }, () => [0x85]),
      ".",
    );
    expect(await refused({ "data.pkl": nested })).toContain("nested over");
  });

  it("whose pickle copies a list again and again", async () => {
    const pairs = bytes(
      "]q",
      0,
      "(",
      Array.from({ length: 1000 }, () => [integer(1), "N", 0x86]),
      "e",
    );
    const copies = Array.from({ length: 1000 }, () => [
      "ccollections\nOrderedDict\n",
      "h",
      0,
      0x85,
      "R",
    ]);
    expect(await refused({ "data.pkl": bytes(0x80, 2, pairs, copies, ".") })).toContain(
      "too often",
    );
  });

  it.each([
    ["", "it is empty"],
    ["\x80\x02\x8a\x0alF\x9cF\xf9 j\xa8P\x19.", "old format of before version 1.6"],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"],
    ["<!doctype html>", "a web page"],
    ["hello", "does not begin as a zip"],
    ["PK\x03\x04", "not a usable zip"],
  ])("because they are something else: %j", async (content, message) => {
    const path = temporary("other.pt");
    await writeFile(path, Buffer.from(content, "latin1"));
    const error = await rejection(openTorchCheckpoint(path));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toContain(message);
  });

  it("when cut short or absent", async () => {
    const path = temporary("short.pt");
    await writeArchive(path, { "data.pkl": pickle({ x: tensor(one) }), "data/0": data });
    await truncate(path, 200);
    expect((await rejection(openTorchCheckpoint(path))).code).toBe("invalid_model");
    expect((await rejection(openTorchCheckpoint(temporary("none.pt")))).code).toBe("not_found");
    expect((await rejection(openTorchCheckpoint(temporary()))).code).toBe("not_found");
  });

  it("for an unknown name, an unknown dictionary and after disposal", async () => {
    const path = temporary("names.pt");
    await writeArchive(path, { "data.pkl": pickle({ x: tensor(one) }), "data/0": data });
    const checkpoint = await openTorchCheckpoint(path);
    expect((await rejection(checkpoint.readFloat32("y"))).message).toContain("no tensor named y");
    expect(() => checkpoint.select("state_dict")).toThrow(/under "state_dict"/);
    await checkpoint[Symbol.asyncDispose]();
    expect((await rejection(checkpoint.readFloat32("x"))).code).toBe("disposed");
  });
});

describe.skipIf(!hasReference)(
  referenceTitle("model/latentsync_unet.pt, model/whisper/tiny.pt"),
  () => {
    it("are read as PyTorch wrote them", async () => {
      await using unet = await openTorchCheckpoint(reference("model", "latentsync_unet.pt"));
      expect(unet.metadata).toEqual({ global_step: 0 });
      expect(unet.entries.size).toBe(1244);
      expect(unet.entries.get("state_dict.conv_in.weight")).toEqual({
        name: "state_dict.conv_in.weight",
        dtype: "float32",
        shape: [32, 13, 3, 3],
      });
      // The sinusoidal position table is known in closed form.
      const position =
        [...unet.entries.keys()].find((name) => name.endsWith("pos_encoder.pe")) ?? "";
      const [batch = 0, length = 0, width = 0] = unet.entries.get(position)?.shape ?? [];
      expect([batch, length]).toEqual([1, 24]);
      const table = await unet.readFloat32(position);
      for (let index = 0; index < length; index++) {
        expect(table[index * width]).toBeCloseTo(Math.sin(index), 5);
        expect(table[index * width + 1]).toBeCloseTo(Math.cos(index), 5);
      }
      await using whisper = await openTorchCheckpoint(reference("model", "whisper", "tiny.pt"));
      expect(whisper.metadata["dims"]).toMatchObject({ n_audio_state: 64, n_audio_layer: 4 });
      expect(whisper.entries.get("model_state_dict.encoder.positional_embedding")).toMatchObject({
        dtype: "float16",
        shape: [1500, 64],
      });
    });
  },
);
