import { endianness } from "node:os";
import { basename } from "node:path";
import { LatentSyncError } from "@ls/core";
import { writeAtomically } from "@ls/files";
import { toFloat16Bits } from "../graph/half.ts";
import { DTYPE_BYTES } from "./element-conversion.ts";
import { PickleWriter, type WritableValue } from "./pickle-writer.ts";
import type { TensorSource } from "./tensor-source.ts";
import { ZipWriter } from "./zip-writer.ts";

/** Element types that checkpoints are written in. */
export type WritableDtype = "float32" | "float16";

export interface TorchCheckpointContent {
  /** Values beside the tensors: `{ global_step: 0 }` for a UNet, `{ dims }` for Whisper. */
  readonly values: { readonly [key: string]: WritableValue };
  /** Key of the tensors: `state_dict` for a UNet, `model_state_dict` for Whisper. */
  readonly tensorsKey: string;
  /** The tensors, which are read and written one at a time. */
  readonly tensors: TensorSource;
  /** Default `float32`. */
  readonly dtype?: WritableDtype;
  readonly signal?: AbortSignal;
}

export interface SafetensorsContent {
  /** The tensors, which are read and written one at a time. */
  readonly tensors: TensorSource;
  /** Default `float32`. */
  readonly dtype?: WritableDtype;
  /** Texts that go into the file's header. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

const STORAGE_CLASSES: Readonly<Record<WritableDtype, string>> = {
  float32: "FloatStorage",
  float16: "HalfStorage",
};

function toBytes(values: Float32Array, dtype: WritableDtype): Uint8Array {
  const stored = dtype === "float16" ? toFloat16Bits(values) : values;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

async function readChecked(
  tensors: TensorSource,
  name: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const values = await tensors.readFloat32(name);
  const count = shape.reduce((product, size) => product * size, 1);
  if (values.length !== count) {
    throw new LatentSyncError(
      "invalid_argument",
      `The tensor ${name} of shape [${shape.join(", ")}] has ${values.length} elements instead of ${count}.`,
      { hint: "Give a source whose shapes and data agree." },
    );
  }
  return values;
}

/** Files are little-endian and so must the machine be, since elements are written as they lie. */
function requireLittleEndian(): void {
  if (endianness() === "LE") return;
  throw new LatentSyncError(
    "unsupported",
    "Checkpoints are written on little-endian machines only.",
    {
      hint: "Write the checkpoint on an x86-64 or ARM machine.",
    },
  );
}

/**
 * Writes a checkpoint that `torch.load` reads: the zip format, pickle protocol 2, records aligned
 * to 64 bytes. One tensor is in memory at a time, and the file appears only when complete.
 * @throws LatentSyncError `disk_full` or `io`; the signal's reason on abort.
 */
export async function writeTorchCheckpoint(
  path: string,
  content: TorchCheckpointContent,
): Promise<void> {
  requireLittleEndian();
  const { values, tensorsKey, tensors, dtype = "float32", signal } = content;
  const root = basename(path).replace(/\.[^.]*$/, "") || "archive";
  const listed = [...tensors.entries.values()].map((entry, index) => ({
    name: entry.name,
    shape: entry.shape,
    storageClass: STORAGE_CLASSES[dtype],
    key: String(index),
  }));
  const pickle = new PickleWriter();
  pickle.beginDict();
  for (const [key, value] of Object.entries(values)) {
    pickle.text(key);
    pickle.value(value);
  }
  pickle.text(tensorsKey);
  pickle.tensors(listed);
  pickle.endDict();
  await writeAtomically(path, async (sink) => {
    const zip = new ZipWriter(sink);
    await zip.add(`${root}/data.pkl`, pickle.finish());
    await zip.add(`${root}/byteorder`, Buffer.from("little"));
    for (const { key, name, shape } of listed) {
      signal?.throwIfAborted();
      await zip.add(`${root}/data/${key}`, toBytes(await readChecked(tensors, name, shape), dtype));
    }
    await zip.add(`${root}/version`, Buffer.from("3\n"));
    await zip.finish();
  });
}

/**
 * Writes a safetensors file. One tensor is in memory at a time, and the file appears only when
 * complete.
 * @throws LatentSyncError `disk_full` or `io`; the signal's reason on abort.
 */
export async function writeSafetensors(path: string, content: SafetensorsContent): Promise<void> {
  requireLittleEndian();
  const { tensors, dtype = "float32", metadata, signal } = content;
  const header = new Map<string, unknown>();
  if (metadata !== undefined) header.set("__metadata__", metadata);
  let position = 0;
  for (const { name, shape } of tensors.entries.values()) {
    const end = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]) + position;
    header.set(name, {
      dtype: dtype === "float16" ? "F16" : "F32",
      shape,
      data_offsets: [position, end],
    });
    position = end;
  }
  const text = JSON.stringify(Object.fromEntries(header));
  const length = Buffer.byteLength(text);
  const padded = Math.ceil(length / 8) * 8;
  const head = Buffer.alloc(8 + padded, " ");
  head.writeBigUInt64LE(BigInt(padded), 0);
  head.write(text, 8, "utf8");
  await writeAtomically(path, async (sink) => {
    await sink.write(head);
    for (const { name, shape } of tensors.entries.values()) {
      signal?.throwIfAborted();
      await sink.write(toBytes(await readChecked(tensors, name, shape), dtype));
    }
  });
}
