/** Arrays for NumPy: `.npy` files, format 1.0. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

const HEADER_ALIGNMENT = 64;
const PREAMBLE = 10;

function describe(data: Float32Array | Int32Array | Uint8Array): string {
  if (data instanceof Float32Array) return "<f4";
  return data instanceof Int32Array ? "<i4" : "|u1";
}

/** Where an array of a shard lies. */
export function shardPath(folder: string, shard: number, name: string): string {
  return join(folder, `${String(shard).padStart(4, "0")}.${name}.npy`);
}

/** Writes `data` as an array of `shape`; a file of that name appears only when it is whole. */
export async function writeNpy(
  path: string,
  data: Float32Array | Int32Array | Uint8Array,
  shape: readonly number[],
): Promise<void> {
  const dict =
    `{'descr': '${describe(data)}', 'fortran_order': False, ` +
    `'shape': (${shape.join(", ")},), }`;
  // Aligned, so that the data can be mapped into memory.
  const length = Math.ceil((PREAMBLE + dict.length + 1) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  const header = Buffer.alloc(length, " ", "latin1");
  header.write("\x93NUMPY\x01\x00", "latin1");
  header.writeUInt16LE(length - PREAMBLE, PREAMBLE - 2);
  header.write(dict, PREAMBLE, "latin1");
  header.write("\n", length - 1, "latin1");
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  await writeFile(`${path}.part`, Buffer.concat([header, bytes]));
  await rename(`${path}.part`, path);
}

/** The values of an array of `<f4` that {@link writeNpy} wrote. */
export async function readFloats(path: string): Promise<Float32Array> {
  const file = await readFile(path);
  const start = PREAMBLE + file.readUInt16LE(PREAMBLE - 2);
  return new Float32Array(Uint8Array.from(file.subarray(start)).buffer);
}
