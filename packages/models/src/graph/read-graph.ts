/** Reads what a graph's file says of its operators and shapes: what {@link countWork} walks. */
import { readFile } from "node:fs/promises";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { type GraphSource, LatentSyncError } from "@ls/core";

export interface GraphFileNode {
  readonly type: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** Names of values; empty for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Integers and lists of integers; other attributes do not bear on shapes. */
  readonly integers: ReadonlyMap<string, readonly number[]>;
}

/** An initializer: its shape and, of small ones, its numbers. */
export interface GraphFileTensor {
  readonly dims: readonly number[];
  readonly values?: readonly number[];
}

export interface GraphFile {
  readonly nodes: readonly GraphFileNode[];
  readonly tensors: ReadonlyMap<string, GraphFileTensor>;
}

// Field numbers of onnx.proto (ONNX 1.17).
const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5 } as const;
const NODE = { input: 1, output: 2, type: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, integer: 3, integers: 8 } as const;
const TENSOR = { dims: 1, dataType: 2, name: 8, rawData: 9 } as const;
const DATA_TYPE = { float32: 1, int64: 7 } as const;
/** Shapes, axes and scales have fewer numbers than this; weights are not kept. */
const MOST_VALUES = 64;

/** @throws LatentSyncError `invalid_model` if it is no ONNX model. */
export async function readGraph(source: GraphSource): Promise<GraphFile> {
  const bytes = "path" in source ? await readFile(source.path) : source.bytes;
  try {
    return readModel(bytes);
  } catch (error) {
    const name = "path" in source ? source.path : `A model of ${bytes.length} bytes`;
    throw new LatentSyncError("invalid_model", `${name} is not an ONNX model.`, {
      cause: error,
      hint: "Clear the graph cache, so that graphs are built again.",
    });
  }
}

function readModel(bytes: Uint8Array): GraphFile {
  const nodes: GraphFileNode[] = [];
  const tensors = new Map<string, GraphFileTensor>();
  readFields(bytes, (field, model) => {
    if (field !== MODEL_GRAPH) return false;
    readFields(model.bytes(), (part, graph) => {
      if (part === GRAPH.node) nodes.push(readNode(graph.bytes()));
      else if (part === GRAPH.initializer) {
        const { name, ...tensor } = readTensor(graph.bytes());
        tensors.set(name, tensor);
      } else return false;
      return true;
    });
    return true;
  });
  return { nodes, tensors };
}

/** Calls `read` at every field; it says whether it has consumed the field. */
function readFields(
  bytes: Uint8Array,
  read: (field: number, reader: BinaryReader, wireType: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!read(field, reader, wireType)) reader.skip(wireType, field);
  }
}

function readNode(bytes: Uint8Array): GraphFileNode {
  let [type, domain] = ["", ""];
  const inputs: string[] = [];
  const outputs: string[] = [];
  const integers = new Map<string, readonly number[]>();
  readFields(bytes, (field, reader) => {
    if (field === NODE.input) inputs.push(reader.string());
    else if (field === NODE.output) outputs.push(reader.string());
    else if (field === NODE.type) type = reader.string();
    else if (field === NODE.domain) domain = reader.string();
    else if (field === NODE.attribute) {
      const [name, values] = readAttribute(reader.bytes());
      integers.set(name, values);
    } else return false;
    return true;
  });
  return { type, domain, inputs, outputs, integers };
}

function readAttribute(bytes: Uint8Array): [name: string, values: readonly number[]] {
  let name = "";
  const values: number[] = [];
  readFields(bytes, (field, reader, wireType) => {
    if (field === ATTRIBUTE.name) name = reader.string();
    else if (field === ATTRIBUTE.integer || field === ATTRIBUTE.integers) {
      readIntegers(reader, wireType, values);
    } else return false;
    return true;
  });
  return [name, values];
}

/** One integer, or a packed list of them. */
function readIntegers(reader: BinaryReader, wireType: WireType, into: number[]): void {
  if (wireType !== WireType.LengthDelimited) {
    into.push(Number(reader.int64()));
    return;
  }
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) into.push(Number(reader.int64()));
}

function readTensor(bytes: Uint8Array): GraphFileTensor & { readonly name: string } {
  const dims: number[] = [];
  let name = "";
  let dataType = 0;
  let raw: Uint8Array | undefined;
  readFields(bytes, (field, reader, wireType) => {
    if (field === TENSOR.dims) readIntegers(reader, wireType, dims);
    else if (field === TENSOR.dataType) dataType = reader.int32();
    else if (field === TENSOR.name) name = reader.string();
    else if (field === TENSOR.rawData) raw = reader.bytes();
    else return false;
    return true;
  });
  const values = raw === undefined ? undefined : smallValues(raw, dataType);
  return { name, dims, ...(values === undefined ? {} : { values }) };
}

function smallValues(raw: Uint8Array, dataType: number): readonly number[] | undefined {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (dataType === DATA_TYPE.int64 && raw.length <= 8 * MOST_VALUES) {
    return Array.from({ length: raw.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }
  if (dataType === DATA_TYPE.float32 && raw.length <= 4 * MOST_VALUES) {
    return Array.from({ length: raw.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }
  return undefined;
}
