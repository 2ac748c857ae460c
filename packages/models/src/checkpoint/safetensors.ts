/** The safetensors format: a length, a JSON header, then the tensors' bytes. */
import { dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { DTYPE_BYTES, toFloat32 } from "./element-conversion.ts";
import { parseJson, readTextFile } from "./json-file.ts";
import { RandomAccessFile } from "./random-access-file.ts";
import type { CheckpointDtype, TensorEntry, TensorSource } from "./tensor-source.ts";
import { unknownTensor } from "./torch-checkpoint.ts";

/** The limit that the format itself sets. */
const MAXIMUM_HEADER_BYTES = 100_000_000;
const MAXIMUM_SHARDS = 1000;
const MAXIMUM_RANK = 16;

const DTYPES: ReadonlyMap<string, CheckpointDtype> = new Map([
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["F64", "float64"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

interface PlacedTensor {
  readonly entry: TensorEntry;
  readonly start: number;
  readonly end: number;
}

function damaged(path: string, reason: string): LatentSyncError {
  return new LatentSyncError(
    "invalid_model",
    `${path} is not a valid safetensors file: ${reason}.`,
    {
      hint: "The file may be cut short or damaged; download it again.",
    },
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && Number(item) >= 0)
  );
}

function parseTensor(
  path: string,
  name: string,
  value: unknown,
  dataStart: number,
  fileSize: number,
): PlacedTensor {
  if (!isRecord(value)) throw damaged(path, `its header does not describe ${name}`);
  const dtype = typeof value["dtype"] === "string" ? DTYPES.get(value["dtype"]) : undefined;
  if (dtype === undefined) {
    throw damaged(
      path,
      `the tensor ${name} has the dtype ${JSON.stringify(value["dtype"])}; ${[...DTYPES.keys()].join(", ")} are read`,
    );
  }
  const { shape, data_offsets: offsets } = value;
  if (
    !isCounts(shape) ||
    shape.length > MAXIMUM_RANK ||
    !isCounts(offsets) ||
    offsets.length !== 2
  ) {
    throw damaged(path, `the shape or place of the tensor ${name} is not whole numbers`);
  }
  const [begin = 0, end = 0] = offsets;
  const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
  if (end - begin !== bytes) {
    throw damaged(
      path,
      `the tensor ${name} of shape [${shape.join(", ")}] needs ${bytes} bytes, but has ${end - begin}`,
    );
  }
  if (dataStart + end > fileSize) {
    throw damaged(
      path,
      `the tensor ${name} ends at ${dataStart + end}, but the file has ${fileSize} bytes`,
    );
  }
  return { entry: { name, dtype, shape }, start: dataStart + begin, end: dataStart + end };
}

function refuseOverlap(path: string, tensors: Iterable<PlacedTensor>): void {
  const ordered = [...tensors].sort((a, b) => a.start - b.start || a.end - b.end);
  for (const [index, tensor] of ordered.entries()) {
    const previous = ordered[index - 1];
    if (previous !== undefined && previous.end > tensor.start) {
      throw damaged(path, `the tensors ${previous.entry.name} and ${tensor.entry.name} overlap`);
    }
  }
}

async function readHeader(file: RandomAccessFile): Promise<Map<string, PlacedTensor>> {
  if (file.size < 8) throw damaged(file.path, `it has only ${file.size} bytes`);
  const length = Number(Buffer.from((await file.read(0, 8)).buffer).readBigUInt64LE());
  if (length > MAXIMUM_HEADER_BYTES || 8 + length > file.size) {
    throw damaged(
      file.path,
      `its header claims ${length} bytes in a file of ${file.size} (at most ${MAXIMUM_HEADER_BYTES} are allowed)`,
    );
  }
  const text = Buffer.from((await file.read(8, length)).buffer).toString("utf8");
  const header = parseJson(text, `The header of ${file.path}`);
  if (!isRecord(header)) throw damaged(file.path, "its header is not a JSON object");
  const tensors = new Map<string, PlacedTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    tensors.set(name, parseTensor(file.path, name, value, 8 + length, file.size));
  }
  refuseOverlap(file.path, tensors.values());
  return tensors;
}

/**
 * Opens a safetensors file. Tensors stay on disk until read.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`.
 */
export async function openSafetensors(path: string): Promise<TensorSource> {
  const file = await RandomAccessFile.open(path);
  try {
    const tensors = await readHeader(file);
    return {
      entries: new Map([...tensors].map(([name, { entry }]) => [name, entry])),
      async readFloat32(name: string): Promise<Float32Array> {
        const tensor = tensors.get(name);
        if (tensor === undefined) throw unknownTensor(path, name);
        const bytes = await file.read(tensor.start, tensor.end - tensor.start);
        return toFloat32(bytes.buffer, tensor.entry.dtype);
      },
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Which file of a sharded checkpoint holds which tensor: the `weight_map` of an `*.index.json`.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`.
 */
export async function readShardIndex(path: string): Promise<ReadonlyMap<string, string>> {
  const index = parseJson(await readTextFile(path), path);
  const map = isRecord(index) ? index["weight_map"] : undefined;
  const refuse = (reason: string): LatentSyncError =>
    new LatentSyncError("invalid_model", `${path}: ${reason}.`, {
      hint: "Download the file again.",
    });
  if (!isRecord(map)) throw refuse("a shard index must have a weight_map");
  const files = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== "string" || !/^[\w.-]+$/.test(file) || file.startsWith(".")) {
      throw refuse(
        `the weight_map sends ${tensor} to ${JSON.stringify(file)}, not a file beside it`,
      );
    }
    files.set(tensor, file);
  }
  const shards = new Set(files.values()).size;
  if (shards > MAXIMUM_SHARDS) throw refuse(`it names ${shards} shards, over ${MAXIMUM_SHARDS}`);
  return files;
}

interface OwnedTensor {
  readonly entry: TensorEntry;
  readonly shard: TensorSource;
}

function findOwners(
  indexPath: string,
  files: ReadonlyMap<string, string>,
  shards: ReadonlyMap<string, TensorSource>,
): Map<string, OwnedTensor> {
  const owners = new Map<string, OwnedTensor>();
  for (const [name, file] of files) {
    const shard = shards.get(file);
    const entry = shard?.entries.get(name);
    if (shard === undefined || entry === undefined) {
      throw new LatentSyncError(
        "invalid_model",
        `${indexPath} places the tensor ${name} in ${file}, which does not have it.`,
        { hint: "Index and shards must be of the same version; download them again." },
      );
    }
    owners.set(name, { entry, shard });
  }
  return owners;
}

/**
 * Opens a sharded checkpoint through its `*.index.json`.
 * @param openShard how one shard is opened; safetensors if not given.
 * @throws LatentSyncError `not_found`, `io` or `invalid_model`.
 */
export async function openShards(
  indexPath: string,
  openShard: (path: string) => Promise<TensorSource> = openSafetensors,
): Promise<TensorSource> {
  const files = await readShardIndex(indexPath);
  const shards = new Map<string, TensorSource>();
  const close = async (): Promise<void> => {
    await Promise.all([...shards.values()].map((shard) => shard[Symbol.asyncDispose]()));
  };
  try {
    for (const file of new Set(files.values())) {
      shards.set(file, await openShard(join(dirname(indexPath), file)));
    }
    const owners = findOwners(indexPath, files, shards);
    return {
      entries: new Map([...owners].map(([name, { entry }]) => [name, entry])),
      readFloat32: (name) =>
        owners.get(name)?.shard.readFloat32(name) ?? Promise.reject(unknownTensor(indexPath, name)),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
