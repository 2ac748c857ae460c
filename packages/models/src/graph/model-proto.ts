/** Writes a graph as an ONNX `ModelProto`. Field numbers are those of onnx.proto (ONNX 1.17). */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { type Dimension, ELEMENT_TYPES, type ElementType, bytesOf } from "./element-type.ts";
import type { Attribute, Graph, Node, Port } from "./graph.ts";

/** Where an initializer's bytes are: in the model itself, or in a file beside it. */
export type TensorLocation =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly offset: number; readonly length: number };

const MODEL = { irVersion: 1, producerName: 2, graph: 7, opsetImport: 8 } as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
} as const;
const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, f: 2, i: 3, s: 4, ints: 8, type: 20 } as const;
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;
const TENSOR = {
  dims: 1,
  dataType: 2,
  name: 8,
  rawData: 9,
  externalData: 13,
  dataLocation: 14,
} as const;
const ENTRY = { key: 1, value: 2 } as const;
const VALUE_INFO = { name: 1, type: 2 } as const;
const TYPE = { tensor: 1 } as const;
const TENSOR_TYPE = { elementType: 1, shape: 2 } as const;
const SHAPE = { dim: 1 } as const;
const DIM = { value: 1, param: 2 } as const;
const EXTERNAL = 1;
/** ONNX IR 10, of opset 21 and before. */
const IR_VERSION = 10;

/**
 * Serializes a graph.
 * @param locations where each initializer's bytes are, by name.
 */
export function encodeModel(
  graph: Graph,
  locations: ReadonlyMap<string, TensorLocation>,
): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  integer(writer, MODEL.irVersion, IR_VERSION);
  text(writer, MODEL.producerName, "latentsync-ts");
  message(writer, MODEL.graph, () => writeGraphProto(writer, graph, locations));
  for (const [domain, version] of graph.opsets) {
    message(writer, MODEL.opsetImport, () => {
      text(writer, OPSET.domain, domain);
      integer(writer, OPSET.version, version);
    });
  }
  return writer.finish();
}

function writeGraphProto(
  writer: BinaryWriter,
  graph: Graph,
  locations: ReadonlyMap<string, TensorLocation>,
): void {
  for (const node of graph.nodes) message(writer, GRAPH.node, () => writeNode(writer, node));
  text(writer, GRAPH.name, graph.name);
  for (const { name, dtype, shape, data } of graph.constants.values()) {
    message(writer, GRAPH.initializer, () =>
      writeTensor(writer, name, dtype, shape, { bytes: bytesOf(data) }),
    );
  }
  for (const { name, dtype, shape } of graph.initializers.values()) {
    const location = locations.get(name);
    if (location === undefined) throw new Error(`No location was given for ${name}.`);
    message(writer, GRAPH.initializer, () => writeTensor(writer, name, dtype, shape, location));
  }
  for (const port of graph.inputs) message(writer, GRAPH.input, () => writePort(writer, port));
  for (const port of graph.outputs) message(writer, GRAPH.output, () => writePort(writer, port));
  for (const [value, shape] of graph.shapes) {
    message(writer, GRAPH.valueInfo, () => writePort(writer, { name: value.name, value, shape }));
  }
}

function writeNode(writer: BinaryWriter, node: Node): void {
  for (const input of node.inputs) text(writer, NODE.input, input?.name ?? "");
  for (const output of node.outputs) text(writer, NODE.output, output.name);
  text(writer, NODE.name, `${node.outputs[0]?.name ?? ""}/${node.type}`);
  text(writer, NODE.opType, node.type);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, NODE.attribute, () => writeAttribute(writer, name, attribute));
  }
  if (node.domain !== "") text(writer, NODE.domain, node.domain);
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  text(writer, ATTRIBUTE.name, name);
  if (typeof attribute === "number") {
    integer(writer, ATTRIBUTE.i, attribute);
    integer(writer, ATTRIBUTE.type, ATTRIBUTE_TYPE.int);
  } else if (typeof attribute === "string") {
    text(writer, ATTRIBUTE.s, attribute);
    integer(writer, ATTRIBUTE.type, ATTRIBUTE_TYPE.string);
  } else if ("float" in attribute) {
    writer.tag(ATTRIBUTE.f, WireType.Bit32).float(attribute.float);
    integer(writer, ATTRIBUTE.type, ATTRIBUTE_TYPE.float);
  } else {
    for (const value of attribute) integer(writer, ATTRIBUTE.ints, value);
    integer(writer, ATTRIBUTE.type, ATTRIBUTE_TYPE.ints);
  }
}

function writeTensor(
  writer: BinaryWriter,
  name: string,
  dtype: ElementType,
  shape: readonly number[],
  location: TensorLocation,
): void {
  for (const dim of shape) integer(writer, TENSOR.dims, dim);
  integer(writer, TENSOR.dataType, ELEMENT_TYPES[dtype].onnx);
  text(writer, TENSOR.name, name);
  if ("bytes" in location) {
    writer.tag(TENSOR.rawData, WireType.LengthDelimited).bytes(location.bytes);
    return;
  }
  const entries = {
    location: location.file,
    offset: String(location.offset),
    length: String(location.length),
  };
  for (const [key, value] of Object.entries(entries)) {
    message(writer, TENSOR.externalData, () => {
      text(writer, ENTRY.key, key);
      text(writer, ENTRY.value, value);
    });
  }
  integer(writer, TENSOR.dataLocation, EXTERNAL);
}

function writePort(writer: BinaryWriter, port: Port): void {
  text(writer, VALUE_INFO.name, port.name);
  message(writer, VALUE_INFO.type, () => {
    message(writer, TYPE.tensor, () => {
      integer(writer, TENSOR_TYPE.elementType, ELEMENT_TYPES[port.value.dtype].onnx);
      const { shape } = port;
      if (shape === undefined) return;
      message(writer, TENSOR_TYPE.shape, () => {
        for (const dim of shape) message(writer, SHAPE.dim, () => writeDimension(writer, dim));
      });
    });
  });
}

function writeDimension(writer: BinaryWriter, dim: Dimension): void {
  if (typeof dim === "number") integer(writer, DIM.value, dim);
  else text(writer, DIM.param, dim);
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}
