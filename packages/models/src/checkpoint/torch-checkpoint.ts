import { LatentSyncError } from "@ls/core";
import { DTYPE_BYTES, gatherStrided, isContiguous, toFloat32 } from "./element-conversion.ts";
import { PickledTensor, type PickleValue } from "./pickle-values.ts";
import { parsePickle } from "./pickle.ts";
import { RandomAccessFile } from "./random-access-file.ts";
import type { TensorEntry, TensorSource } from "./tensor-source.ts";
import { findZipData, readZipDirectory, type ZipEntry } from "./zip-directory.ts";

/** What a checkpoint holds beside tensors: dictionaries as objects, lists and tuples as arrays. */
export type CheckpointMetadata =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly CheckpointMetadata[]
  | { readonly [key: string]: CheckpointMetadata };

/** A torch checkpoint. Tensors go by dotted path: `state_dict.conv_in.weight`. */
export interface TorchCheckpoint extends TensorSource {
  /** All values that are not tensors, nested as they are; branches without any are left out. */
  readonly metadata: { readonly [key: string]: CheckpointMetadata };
  /**
   * The tensors under one dictionary, by their names within it; `""` is everything. The view is
   * valid as long as the checkpoint; disposing it closes the checkpoint.
   * @throws LatentSyncError `invalid_model` if there are no tensors there.
   */
  select(path: string): TensorSource;
}

const MAXIMUM_PICKLE_BYTES = 64 * 1024 * 1024;
const MAXIMUM_VALUES = 2_000_000;
const MAXIMUM_DEPTH = 64;
const MAXIMUM_NAME_LENGTH = 1024;

/** Splits a pickled value into tensors by dotted path and the rest. */
class Flattener {
  readonly tensors = new Map<string, PickledTensor>();
  readonly #where: string;
  #values = 0;

  constructor(where: string) {
    this.#where = where;
  }

  #refuse(reason: string): LatentSyncError {
    return new LatentSyncError("invalid_model", `${this.#where}: ${reason}.`, {
      hint: "Use a checkpoint as it was published.",
    });
  }

  /** The plain part of a value; undefined where it is or holds only tensors. */
  visit(value: PickleValue, path: string, depth: number): CheckpointMetadata | undefined {
    this.#values++;
    if (this.#values > MAXIMUM_VALUES || depth > MAXIMUM_DEPTH) {
      throw this.#refuse(
        `its values are nested over ${MAXIMUM_DEPTH} deep or number over ${MAXIMUM_VALUES}`,
      );
    }
    if (path.length > MAXIMUM_NAME_LENGTH) {
      throw this.#refuse(`it has names of over ${MAXIMUM_NAME_LENGTH} characters`);
    }
    if (value instanceof PickledTensor) {
      if (this.tensors.has(path)) throw this.#refuse(`it has two tensors named ${path}`);
      this.tensors.set(path, value);
      return undefined;
    }
    if (value instanceof Map) return this.#visitDict(value, path, depth);
    if (Array.isArray(value)) return this.#visitList(value, path, depth);
    if (typeof value === "object" && value !== null) {
      throw this.#refuse(`its value ${path} is neither a tensor nor plain`);
    }
    return value;
  }

  #visitDict(
    dict: Map<PickleValue, PickleValue>,
    path: string,
    depth: number,
  ): CheckpointMetadata | undefined {
    const plain: [string, CheckpointMetadata][] = [];
    for (const [key, item] of dict) {
      if (typeof key !== "string" && typeof key !== "number") {
        throw this.#refuse(`a key under ${path === "" ? "the top" : path} is not a text`);
      }
      const result = this.visit(item, path === "" ? String(key) : `${path}.${key}`, depth + 1);
      if (result !== undefined) plain.push([String(key), result]);
    }
    return plain.length === 0 && dict.size > 0 ? undefined : Object.fromEntries(plain);
  }

  #visitList(
    list: readonly PickleValue[],
    path: string,
    depth: number,
  ): CheckpointMetadata | undefined {
    const plain: CheckpointMetadata[] = [];
    for (const [index, item] of list.entries()) {
      const result = this.visit(item, path === "" ? String(index) : `${path}.${index}`, depth + 1);
      if (result !== undefined) plain.push(result);
    }
    return plain.length === 0 && list.length > 0 ? undefined : plain;
  }
}

/** Elements that a strided view reaches from its offset, its last one included. */
function spanOf(tensor: PickledTensor): number {
  if (tensor.shape.includes(0)) return 0;
  return tensor.shape.reduce(
    (span, size, axis) => span + (size - 1) * (tensor.strides[axis] as number),
    1,
  );
}

interface StoredTensor {
  readonly tensor: PickledTensor;
  readonly record: ZipEntry;
}

class TorchArchive implements TorchCheckpoint {
  readonly metadata: { readonly [key: string]: CheckpointMetadata };
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly #file: RandomAccessFile;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(
    file: RandomAccessFile,
    metadata: { readonly [key: string]: CheckpointMetadata },
    tensors: ReadonlyMap<string, StoredTensor>,
  ) {
    this.#file = file;
    this.metadata = metadata;
    this.#tensors = tensors;
    this.entries = new Map(
      [...tensors].map(([name, { tensor }]) => [
        name,
        { name, dtype: tensor.storage.dtype, shape: tensor.shape },
      ]),
    );
  }

  async readFloat32(name: string): Promise<Float32Array> {
    const stored = this.#tensors.get(name);
    if (stored === undefined) throw unknownTensor(this.#file.path, name);
    const { tensor, record } = stored;
    const elementBytes = DTYPE_BYTES[tensor.storage.dtype];
    const start = await findZipData(this.#file, record);
    const bytes = await this.#file.read(
      start + tensor.offset * elementBytes,
      spanOf(tensor) * elementBytes,
    );
    const values = toFloat32(bytes.buffer, tensor.storage.dtype);
    return isContiguous(tensor.shape, tensor.strides)
      ? values
      : gatherStrided(values, tensor.shape, tensor.strides);
  }

  select(path: string): TensorSource {
    if (path === "") return this;
    const prefix = `${path}.`;
    const entries = new Map<string, TensorEntry>();
    for (const [name, entry] of this.entries) {
      if (!name.startsWith(prefix)) continue;
      const short = name.slice(prefix.length);
      entries.set(short, { ...entry, name: short });
    }
    if (entries.size === 0) {
      const found = [...new Set([...this.entries.keys()].map((name) => name.split(".")[0]))];
      throw new LatentSyncError(
        "invalid_model",
        `${this.#file.path} has no tensors under "${path}"; there are tensors under ${found.slice(0, 5).join(", ") || "nothing"}.`,
        { hint: "Check that the path names the right checkpoint." },
      );
    }
    return {
      entries,
      readFloat32: (name) =>
        entries.has(name)
          ? this.readFloat32(prefix + name)
          : Promise.reject(unknownTensor(this.#file.path, name)),
      [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

/** The error of a name that a source does not have. */
export function unknownTensor(path: string, name: string): LatentSyncError {
  return new LatentSyncError("invalid_model", `${path} has no tensor named ${name}.`, {
    hint: "Check that configuration and checkpoint are of the same version.",
  });
}

/** What a file that is no zip seems to be. */
async function explainNonZip(file: RandomAccessFile): Promise<string> {
  const head = Buffer.from((await file.read(0, Math.min(file.size, 64))).buffer);
  if (file.size === 0) return "it is empty";
  if (head[0] === 0x80) {
    return "it has PyTorch's old format of before version 1.6 (a bare pickle), which is not read; load it in PyTorch and save it again with torch.save";
  }
  if (head.includes("ustar") || head.toString("latin1", 0, 8) === "sys_info") {
    return "it has PyTorch's oldest format (a tar), which is not read";
  }
  const text = head.toString("latin1").trimStart();
  if (text.startsWith("version https://git-lfs")) {
    return "it is a Git LFS pointer and not the file itself; run git lfs pull";
  }
  if (text.startsWith("<")) return "it is a web page; the download went wrong";
  return "it does not begin as a zip archive, which torch.save writes";
}

async function readRecord(file: RandomAccessFile, entry: ZipEntry): Promise<Uint8Array> {
  return file.read(await findZipData(file, entry), entry.size);
}

async function findPickle(
  file: RandomAccessFile,
  directory: ReadonlyMap<string, ZipEntry>,
): Promise<{ readonly prefix: string; readonly pickle: ZipEntry }> {
  const refuse = (reason: string): LatentSyncError =>
    new LatentSyncError("invalid_model", `${file.path} is not a torch checkpoint: ${reason}.`, {
      hint: "Use a checkpoint as it was published.",
    });
  const [name, second] = [...directory.keys()].filter((key) => /^[^/]+\/data\.pkl$/.test(key));
  const pickle = name === undefined ? undefined : directory.get(name);
  if (name === undefined || pickle === undefined || second !== undefined) {
    throw refuse("its archive has not exactly one data.pkl");
  }
  const prefix = name.slice(0, -"data.pkl".length);
  if (directory.has(`${prefix}constants.pkl`)) throw refuse("it is a TorchScript program");
  if (pickle.size > MAXIMUM_PICKLE_BYTES) {
    throw refuse(`its data.pkl has ${pickle.size} bytes, over ${MAXIMUM_PICKLE_BYTES}`);
  }
  const byteOrder = directory.get(`${prefix}byteorder`);
  if (byteOrder !== undefined && byteOrder.size <= 16) {
    const order = Buffer.from(await readRecord(file, byteOrder)).toString("latin1");
    if (order !== "little") throw refuse(`its byte order is ${JSON.stringify(order)}, not little`);
  }
  return { prefix, pickle };
}

/** Finds the record of a tensor and checks that the tensor lies within it. */
function locate(
  path: string,
  name: string,
  tensor: PickledTensor,
  record: ZipEntry | undefined,
): StoredTensor {
  const { storage } = tensor;
  const refuse = (reason: string): LatentSyncError =>
    new LatentSyncError("invalid_model", `${path}: the tensor ${name} ${reason}.`, {
      hint: "The file may be damaged; download it again.",
    });
  if (record === undefined)
    throw refuse(`is to be in the record data/${storage.key}, which is missing`);
  const bytes = storage.elements * DTYPE_BYTES[storage.dtype];
  if (bytes !== record.size) {
    throw refuse(`has a storage of ${bytes} bytes, but its record has ${record.size}`);
  }
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const end = tensor.offset + spanOf(tensor);
  if (!(end <= storage.elements)) {
    throw refuse(`reaches to element ${end} of a storage of ${storage.elements}`);
  }
  if (!(count <= storage.elements)) {
    throw refuse(
      `of shape [${tensor.shape.join(", ")}] repeats elements of a storage of ${storage.elements}, which is not read`,
    );
  }
  return { tensor, record };
}

async function readArchive(file: RandomAccessFile): Promise<TorchCheckpoint> {
  const head = file.size < 4 ? Buffer.alloc(4) : Buffer.from((await file.read(0, 4)).buffer);
  if (head.toString("latin1", 0, 2) !== "PK") {
    throw new LatentSyncError(
      "invalid_model",
      `${file.path} is not a torch checkpoint: ${await explainNonZip(file)}.`,
      { hint: "Use a checkpoint as it was published: latentsync-ts models pull latentsync-1.6" },
    );
  }
  const directory = await readZipDirectory(file);
  const { prefix, pickle } = await findPickle(file, directory);
  const flattener = new Flattener(file.path);
  const root = parsePickle(await readRecord(file, pickle), file.path);
  const plain = flattener.visit(root, "", 0);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of flattener.tensors) {
    const record = directory.get(`${prefix}data/${tensor.storage.key}`);
    tensors.set(name, locate(file.path, name, tensor, record));
  }
  const metadata =
    typeof plain === "object" && plain !== null && !Array.isArray(plain)
      ? (plain as { readonly [key: string]: CheckpointMetadata })
      : {};
  return new TorchArchive(file, metadata, tensors);
}

/**
 * Opens a checkpoint that torch.save wrote (the zip format of PyTorch 1.6 and later). Only tensors
 * and plain values are read; nothing in the file is executed. Tensors stay on disk until read.
 * @throws LatentSyncError `not_found`, `io`, or `invalid_model` with what was found instead.
 */
export async function openTorchCheckpoint(path: string): Promise<TorchCheckpoint> {
  const file = await RandomAccessFile.open(path);
  try {
    return await readArchive(file);
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}
