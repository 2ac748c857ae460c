/** Reads node names out of an ONNX file without decoding the rest (protobuf wire format). */
import { LatentSyncError } from "@ls/core";

const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const NODE_NAME = 3;

/**
 * Names of the first `count` nodes of a model, "" for a node without one.
 * @throws LatentSyncError `invalid_model` if `bytes` are no protobuf message with a graph.
 */
export function firstNodeNames(bytes: Uint8Array, count: number): string[] {
  const [graph] = fields(bytes, MODEL_GRAPH);
  if (graph === undefined) throw notOnnx();
  const names: string[] = [];
  for (const node of fields(graph, GRAPH_NODE)) {
    if (names.length === count) break;
    const [name] = fields(node, NODE_NAME);
    names.push(name === undefined ? "" : new TextDecoder().decode(name));
  }
  return names;
}

function notOnnx(): LatentSyncError {
  return new LatentSyncError("invalid_model", "The file is not an ONNX model.", {
    hint: "Download it again.",
  });
}

/** The length-delimited fields of number `wanted`, in order. */
function* fields(message: Uint8Array, wanted: number): Generator<Uint8Array> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw notOnnx();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw notOnnx();
  };
  while (at < message.length) {
    const tag = varint();
    const wireType = tag % 8;
    if (wireType === 0) varint();
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const length = varint();
      if (at + length > message.length) throw notOnnx();
      if (Math.floor(tag / 8) === wanted) yield message.subarray(at, at + length);
      at += length;
    } else throw notOnnx();
  }
}
