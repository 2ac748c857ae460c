/**
 * Encodes small ONNX models for tests. Written apart from `@ls/models`, so that an oracle never
 * shares code with what it checks. Field numbers are those of `onnx.proto`.
 */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Tensor, TensorDataType, TensorInfo } from "@ls/core";

/** An attribute of a node; the key names its ONNX type. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string };

/** A node: an operator of the default domain. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
  /** Constants by name. */
  readonly initializers?: Readonly<Record<string, Tensor>>;
  /** Puts every initializer into this file beside the model, instead of into the model. */
  readonly externalFile?: string;
}

export interface EncodedOnnx {
  /** The model file. */
  readonly model: Uint8Array;
  /** Content of `externalFile`; empty if there is none. */
  readonly external: Uint8Array;
}

const IR_VERSION = 8;
const OPSET = 17;

const ELEMENT_TYPES: Readonly<Record<TensorDataType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

type Write = (writer: BinaryWriter) => void;

function message(writer: BinaryWriter, field: number, write: Write): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}

function writeValueInfo(writer: BinaryWriter, info: TensorInfo): void {
  text(writer, 1, info.name);
  message(writer, 2, (type) => {
    message(type, 1, (tensorType) => {
      integer(tensorType, 1, ELEMENT_TYPES[info.dtype]);
      message(tensorType, 2, (shape) => {
        for (const dim of info.dims) {
          message(shape, 1, (dimension) => {
            if (typeof dim === "number") integer(dimension, 1, dim);
            else text(dimension, 2, dim);
          });
        }
      });
    });
  });
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: OnnxAttribute): void {
  text(writer, 1, name);
  if ("float" in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    integer(writer, 20, 1);
  } else if ("int" in attribute) {
    integer(writer, 3, attribute.int);
    integer(writer, 20, 2);
  } else if ("string" in attribute) {
    text(writer, 4, attribute.string);
    integer(writer, 20, 3);
  } else {
    for (const value of attribute.ints) integer(writer, 8, value);
    integer(writer, 20, 7);
  }
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const input of node.inputs) text(writer, 1, input);
  for (const output of node.outputs) text(writer, 2, output);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes ?? {})) {
    message(writer, 5, (inner) => writeAttribute(inner, name, attribute));
  }
}

function bytesOf(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

function writeEntry(writer: BinaryWriter, key: string, value: string): void {
  message(writer, 13, (entry) => {
    text(entry, 1, key);
    text(entry, 2, value);
  });
}

function writeInitializer(
  writer: BinaryWriter,
  name: string,
  tensor: Tensor,
  external: { readonly file: string; readonly offset: number } | undefined,
): void {
  for (const dim of tensor.dims) integer(writer, 1, dim);
  integer(writer, 2, ELEMENT_TYPES[tensor.dtype]);
  text(writer, 8, name);
  if (external === undefined) {
    writer.tag(9, WireType.LengthDelimited).bytes(bytesOf(tensor));
    return;
  }
  writeEntry(writer, "location", external.file);
  writeEntry(writer, "offset", String(external.offset));
  writeEntry(writer, "length", String(tensor.data.byteLength));
  integer(writer, 14, 1);
}

/** Encodes a graph, its initializers inside or in `externalFile`. */
export function encodeOnnxFiles(graph: OnnxGraph): EncodedOnnx {
  const externalParts: Uint8Array[] = [];
  let offset = 0;
  const writer = new BinaryWriter();
  integer(writer, 1, IR_VERSION);
  text(writer, 2, "@ls/testing");
  message(writer, 7, (body) => {
    for (const node of graph.nodes) message(body, 1, (inner) => writeNode(inner, node));
    text(body, 2, "test");
    for (const [name, tensor] of Object.entries(graph.initializers ?? {})) {
      const place =
        graph.externalFile === undefined ? undefined : { file: graph.externalFile, offset };
      message(body, 5, (inner) => writeInitializer(inner, name, tensor, place));
      if (place === undefined) continue;
      externalParts.push(bytesOf(tensor));
      offset += tensor.data.byteLength;
    }
    for (const info of graph.inputs) message(body, 11, (inner) => writeValueInfo(inner, info));
    for (const info of graph.outputs) message(body, 12, (inner) => writeValueInfo(inner, info));
  });
  message(writer, 8, (opset) => integer(opset, 2, OPSET));
  return { model: writer.finish(), external: new Uint8Array(Buffer.concat(externalParts)) };
}

/** The model file alone; see {@link encodeOnnxFiles}. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  return encodeOnnxFiles(graph).model;
}
