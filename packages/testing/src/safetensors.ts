/**
 * Reads golden tensors. Written apart from `@ls/models`' reader, so that an oracle never shares
 * code with what it checks.
 */
import { readFileSync } from "node:fs";
import { type Tensor, type TensorDataType, type TensorDataTypes, tensor } from "@ls/core";

type TensorReader = (
  bytes: ArrayBuffer,
) => readonly [TensorDataType, TensorDataTypes[TensorDataType]];

const READERS: Readonly<Record<string, TensorReader>> = {
  F32: (bytes) => ["float32", new Float32Array(bytes)],
  F64: (bytes) => ["float32", Float32Array.from(new Float64Array(bytes))],
  F16: (bytes) => ["float16", new Uint16Array(bytes)],
  I64: (bytes) => ["int64", new BigInt64Array(bytes)],
  I32: (bytes) => ["int32", new Int32Array(bytes)],
  U8: (bytes) => ["uint8", new Uint8Array(bytes)],
};

/** All tensors of a safetensors file. Double precision is narrowed to float32. */
export function readGoldenTensors(path: string): Map<string, Tensor> {
  const file = readFileSync(path);
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const read = READERS[entry.dtype];
    if (read === undefined)
      throw new Error(`${path}: ${name} has the unknown dtype ${entry.dtype}`);
    const [start, end] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(8 + headerLength + start, 8 + headerLength + end));
    const [dtype, data] = read(bytes.buffer);
    tensors.set(name, tensor(dtype, entry.shape, data));
  }
  return tensors;
}
