import { mkdir, writeFile } from "node:fs/promises";
import { hasReference, readGoldenTensors, reference, referenceTitle } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { writeSafetensors } from "../src/checkpoint/checkpoint-writer.ts";
import { openDiffusersFolder } from "../src/checkpoint/diffusers-folder.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { openSafetensors, openShards } from "../src/checkpoint/safetensors.ts";
import type { TensorSource } from "../src/checkpoint/tensor-source.ts";
import { rejection, useTemporaryFolder } from "./temporary-folder.ts";
import { elementBytes, pickle, tensor, writeArchive } from "./torch-fixtures.ts";

const temporary = useTemporaryFolder();

/** A safetensors file with this header and so many bytes of data. */
async function writeRaw(header: unknown, dataBytes: number, claimed?: bigint): Promise<string> {
  const path = temporary("raw.safetensors");
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, Buffer.alloc(dataBytes, 0x3f)]));
  return path;
}

describe("safetensors", () => {
  it("come back as they were written, and as an independent reader sees them", async () => {
    const path = temporary("written.safetensors");
    const tensors = createRandomTensors(
      new Map([
        ["w", [3, 5]],
        ["s", []],
        ["empty", [0]],
      ]),
    );
    await writeSafetensors(path, { tensors, metadata: { format: "pt" } });
    await using source = await openSafetensors(path);
    const independent = readGoldenTensors(path);
    expect([...source.entries.values()]).toEqual([...tensors.entries.values()]);
    for (const name of tensors.entries.keys()) {
      const values = await source.readFloat32(name);
      expect(values).toEqual(await tensors.readFloat32(name));
      expect(values).toEqual(independent.get(name)?.data);
    }
    expect((await rejection(source.readFloat32("x"))).message).toContain("no tensor named x");
  });

  it("are read from every dtype", async () => {
    const types = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8, I32: 4, U8: 1, BOOL: 1 };
    let position = 0;
    const header = Object.fromEntries(
      Object.entries(types).map(([dtype, size]) => {
        const begin = position;
        position += 2 * size;
        return [dtype, { dtype, shape: [2], data_offsets: [begin, position] }];
      }),
    );
    await using source = await openSafetensors(await writeRaw(header, position));
    // Every byte is 0x3f.
    const expected: Readonly<Record<string, number>> = {
      F32: 0.7470588088035583,
      F16: 1.8115234375,
      BF16: 0.74609375,
      F64: 0.0004767922794117647,
      I64: 4.55743088879883e18,
      I32: 0x3f3f3f3f,
      U8: 0x3f,
      BOOL: 1,
    };
    for (const dtype of Object.keys(types)) {
      const [first, second] = await source.readFloat32(dtype);
      expect(first).toBe(second);
      expect((first ?? Number.NaN) / (expected[dtype] ?? 1)).toBeCloseTo(1, 6);
    }
  });

  const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  it.each([
    ["a header longer than the file", { a: good }, 8, 2n ** 62n, "header claims"],
    ["a header over the limit", { a: good }, 8, 200_000_000n, "header claims 200000000"],
    ["no JSON", "{", 8, undefined, "not valid JSON"],
    ["a list for a header", [], 0, undefined, "not a JSON object"],
    ["a text for a tensor", { a: "x" }, 8, undefined, "does not describe a"],
    ["an unknown dtype", { a: { ...good, dtype: "F8_E4M3" } }, 8, undefined, '"F8_E4M3"'],
    ["a negative size", { a: { ...good, shape: [-2] } }, 8, undefined, "not whole numbers"],
    [
      "a shape that lies",
      { a: { ...good, shape: [1_000_000_000] } },
      8,
      undefined,
      "needs 4000000000",
    ],
    ["an overflowing shape", { a: { ...good, shape: [2 ** 52, 2 ** 52] } }, 8, undefined, "needs"],
    ["data beyond the end", { a: good }, 4, undefined, "the file has"],
    [
      "overlapping tensors",
      { a: good, b: { ...good, data_offsets: [4, 12] } },
      12,
      undefined,
      "a and b overlap",
    ],
  ])("with %s are refused", async (_, header, dataBytes, claimed, message) => {
    const error = await rejection(openSafetensors(await writeRaw(header, dataBytes, claimed)));
    expect(error.code).toBe("invalid_model");
    expect(error.message).toContain(message);
  });

  it("are refused when too short to have a header", async () => {
    await writeFile(temporary("tiny.safetensors"), "abc");
    const error = await rejection(openSafetensors(temporary("tiny.safetensors")));
    expect(error.message).toContain("only 3 bytes");
  });
});

describe("sharded checkpoints", () => {
  async function writeShards(weightMap: unknown): Promise<string> {
    await mkdir(temporary("shards"), { recursive: true });
    for (const name of ["a", "b"]) {
      const tensors = createRandomTensors(new Map([[`${name}.weight`, [2, 2]]]));
      await writeSafetensors(temporary("shards", `${name}.safetensors`), { tensors });
    }
    const path = temporary("shards", "model.safetensors.index.json");
    await writeFile(path, JSON.stringify({ weight_map: weightMap }));
    return path;
  }

  it("are read as one", async () => {
    const path = await writeShards({ "a.weight": "a.safetensors", "b.weight": "b.safetensors" });
    await using source = await openShards(path);
    expect([...source.entries.keys()]).toEqual(["a.weight", "b.weight"]);
    expect(await source.readFloat32("b.weight")).toHaveLength(4);
    expect((await rejection(source.readFloat32("c"))).code).toBe("invalid_model");
  });

  it.each([
    [{ "c.weight": "a.safetensors" }, "does not have it"],
    [{ "a.weight": "../a.safetensors" }, "not a file beside it"],
    [{ "a.weight": 1 }, "not a file beside it"],
    [undefined, "must have a weight_map"],
  ])("are refused if the index is %j", async (weightMap, message) => {
    const error = await rejection(openShards(await writeShards(weightMap)));
    expect(error.message).toContain(message);
  });

  it("say which shard is missing", async () => {
    const path = await writeShards({ "a.weight": "a.safetensors", "b.weight": "c.safetensors" });
    const error = await rejection(openShards(path));
    expect(error.code).toBe("not_found");
    expect(error.message).toContain("c.safetensors");
  });
});

/** A state dict at the top of the pickle, as diffusers' `.bin` files have it. */
async function writeBareStateDict(path: string, source: TensorSource): Promise<void> {
  const items: Record<string, Buffer> = {};
  const records: Record<string, Uint8Array> = {};
  for (const [index, { name, shape }] of [...source.entries.values()].entries()) {
    const values = await source.readFloat32(name);
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    const key = String(index);
    items[name] = tensor({ storage: "FloatStorage", key, elements: values.length, shape, strides });
    records[`data/${key}`] = elementBytes(values);
  }
  await writeArchive(path, { "data.pkl": pickle(items), ...records });
}

describe("diffusers folders", () => {
  const tensors = createRandomTensors(
    new Map([
      ["encoder.mid_block.attentions.0.query.weight", [4, 4, 1, 1]],
      ["encoder.mid_block.attentions.0.proj_attn.bias", [4]],
      ["encoder.conv_in.weight", [4, 3, 3, 3]],
    ]),
  );

  it.each(["safetensors", "bin"])(
    "are read with .%s weights and old attention names",
    async (kind) => {
      const folder = temporary(kind);
      await mkdir(folder, { recursive: true });
      await writeFile(temporary(kind, "config.json"), "{}");
      const weights = temporary(kind, `diffusion_pytorch_model.${kind}`);
      if (kind === "safetensors") await writeSafetensors(weights, { tensors });
      else await writeBareStateDict(weights, tensors);
      const opened = await openDiffusersFolder(folder);
      await using source = opened.tensors;
      expect(opened.config).toBe("{}");
      expect(source.entries.get("encoder.mid_block.attentions.0.to_q.weight")?.shape).toEqual([
        4, 4,
      ]);
      expect(await source.readFloat32("encoder.mid_block.attentions.0.to_out.0.bias")).toEqual(
        await tensors.readFloat32("encoder.mid_block.attentions.0.proj_attn.bias"),
      );
      expect(source.entries.get("encoder.conv_in.weight")?.shape).toEqual([4, 3, 3, 3]);
    },
  );

  it("say what was expected", async () => {
    const error = await rejection(openDiffusersFolder(temporary("nothing")));
    expect(error.code).toBe("not_found");
    expect(error.message).toContain("diffusion_pytorch_model.safetensors");
  });
});

describe.skipIf(!hasReference)(
  referenceTitle("model/vae/diffusion_pytorch_model.safetensors"),
  () => {
    it("is read as an independent reader sees it", async () => {
      const path = reference("model", "vae", "diffusion_pytorch_model.safetensors");
      const golden = readGoldenTensors(path);
      await using source = await openSafetensors(path);
      expect([...source.entries.keys()].sort()).toEqual([...golden.keys()].sort());
      for (const [name, { dims, data }] of golden) {
        expect(source.entries.get(name)?.shape).toEqual(dims);
        expect(await source.readFloat32(name)).toEqual(data);
      }
    });
  },
);
