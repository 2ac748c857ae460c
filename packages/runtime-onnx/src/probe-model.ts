import type { GraphPrecision } from "@ls/core";

const ELEMENT_TYPES: Readonly<Record<GraphPrecision, number>> = { float32: 1, float16: 10 };

/** A length-delimited protobuf field; everything in the probe is shorter than 128 bytes. */
function field(number: number, content: readonly number[] | string): readonly number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : content;
  return [(number << 3) | 2, bytes.length, ...bytes];
}

/** A protobuf varint field below 128. */
function varint(number: number, value: number): readonly number[] {
  return [number << 3, value];
}

/** The smallest useful ONNX model, `y = -x` with `x [1]`: shows whether a device computes. */
export function probeModel(precision: GraphPrecision): Uint8Array {
  const shape = field(2, field(1, varint(1, 1)));
  const type = field(2, field(1, [...varint(1, ELEMENT_TYPES[precision]), ...shape]));
  const node = [...field(1, "x"), ...field(2, "y"), ...field(4, "Neg")];
  const graph = [
    ...field(1, node),
    ...field(2, "probe"),
    ...field(11, [...field(1, "x"), ...type]),
    ...field(12, [...field(1, "y"), ...type]),
  ];
  return Uint8Array.from([...varint(1, 8), ...field(7, graph), ...field(8, varint(2, 17))]);
}
