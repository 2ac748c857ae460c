import { readFile, writeFile } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors, writeTorchCheckpoint } from "../src/checkpoint/checkpoint-writer.ts";
import { parseNoiseSchedule } from "../src/checkpoint/noise-schedule.ts";
import { parsePickle } from "../src/checkpoint/pickle.ts";
import { createRandomTensors } from "../src/checkpoint/random-tensors.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import type { TensorSource } from "../src/checkpoint/tensor-source.ts";
import { openTorchCheckpoint } from "../src/checkpoint/torch-checkpoint.ts";
import { parseUNetConfig } from "../src/checkpoint/unet-config.ts";
import { parseVaeConfig } from "../src/checkpoint/vae-config.ts";
import { useTemporaryFolder } from "./temporary-folder.ts";
import { pickle, tensor, tuple, integer, text } from "./torch-fixtures.ts";

const temporary = useTemporaryFolder();
const TENSORS = createRandomTensors(
  new Map([
    ["a.weight", [3, 4]],
    ["b.bias", [2]],
  ]),
);

/** Bytes of a file with a few of them changed, and perhaps its end cut off. */
function mutations(original: Buffer): fc.Arbitrary<Buffer> {
  const position = fc.nat(original.length - 1);
  // Small and extreme bytes are the ones that make lengths and opcodes.
  const value = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
  return fc
    .record({
      changes: fc.array(fc.tuple(position, value), { maxLength: 6 }),
      length: fc.oneof(fc.constant(original.length), fc.nat(original.length)),
    })
    .map(({ changes, length }) => {
      const mutated = Buffer.from(original);
      for (const [at, byte] of changes) mutated[at] = byte;
      return mutated.subarray(0, length);
    });
}

async function readEverything(open: () => Promise<TensorSource>): Promise<void> {
  try {
    await using source = await open();
    for (const [name, { shape }] of source.entries) {
      const values = await source.readFloat32(name);
      expect(values.length).toBe(shape.reduce((product, size) => product * size, 1));
    }
  } catch (error) {
    if (!LatentSyncError.is(error)) throw error;
    expect(["invalid_model", "not_found"]).toContain(error.code);
  }
}

function onlyOurErrors(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!LatentSyncError.is(error)) throw error;
    expect(error.code).toBe("invalid_model");
  }
}

describe("damaged files give our own error or plain values, and nothing else", () => {
  let torch: Buffer;
  let safetensors: Buffer;

  beforeAll(async () => {
    await writeTorchCheckpoint(temporary("seed.pt"), {
      values: { global_step: 1, list: [1, "two", null] },
      tensorsKey: "state_dict",
      tensors: TENSORS,
    });
    torch = await readFile(temporary("seed.pt"));
    await writeSafetensors(temporary("seed.safetensors"), { tensors: TENSORS });
    safetensors = await readFile(temporary("seed.safetensors"));
  });

  it("torch archives", async () => {
    const path = temporary("fuzz.pt");
    await fc.assert(
      fc.asyncProperty(mutations(torch), async (content) => {
        await writeFile(path, content);
        await readEverything(() => openTorchCheckpoint(path));
      }),
      { numRuns: 300 },
    );
  });

  it("safetensors", async () => {
    const path = temporary("fuzz.safetensors");
    await fc.assert(
      fc.asyncProperty(mutations(safetensors), async (content) => {
        await writeFile(path, content);
        await readEverything(() => openSafetensors(path));
      }),
      { numRuns: 300 },
    );
  });

  it("pickles", () => {
    const fixture = {
      storage: "FloatStorage",
      key: "0",
      elements: 4,
      shape: [2, 2],
      strides: [2, 1],
    };
    const original = pickle({
      state_dict: tensor(fixture),
      dims: tuple(integer(1), text("two"), tuple()),
      more: pickle({ a: tensor(fixture) }).subarray(2, -1),
    });
    fc.assert(
      fc.property(mutations(original), (content) => {
        onlyOurErrors(() => parsePickle(content, "fuzz"));
      }),
      { numRuns: 5000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (content) => {
        onlyOurErrors(() => parsePickle(content, "fuzz"));
      }),
      { numRuns: 5000 },
    );
  });

  it("configurations", () => {
    const values = fc.dictionary(
      fc.constantFrom("model", "data", "run", "block_out_channels", "attention_head_dim", "x"),
      fc.jsonValue(),
    );
    const parsers = [parseUNetConfig, parseVaeConfig, parseNoiseSchedule];
    fc.assert(
      fc.property(fc.constantFrom(...parsers), values, (parser, value) => {
        onlyOurErrors(() => parser(JSON.stringify(value)));
        onlyOurErrors(() => parser(JSON.stringify({ model: value })));
      }),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...parsers), fc.string(), (parser, content) => {
        onlyOurErrors(() => parser(content));
      }),
      { numRuns: 400 },
    );
  });
});
