import type { GraphPrecision } from "@ls/core";

const ELEMENT_TYPES: Readonly<Record<GraphPrecision, number>> = { float32: 1, float16: 10 };

/** Seven bits a byte, the lowest first. */
function base128(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...base128(value >>> 7)];
}

/** A length-delimited protobuf field. */
function field(number: number, content: readonly number[] | string): readonly number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : content;
  return [(number << 3) | 2, ...base128(bytes.length), ...bytes];
}

/** A protobuf varint field. */
function varint(number: number, value: number): readonly number[] {
  return [...base128(number << 3), ...base128(value)];
}

/** An ONNX model of one node, with an input `x` and an output `y` of the same shape. */
function model(
  node: readonly number[],
  { dims, precision }: { readonly dims: readonly number[]; readonly precision: GraphPrecision },
): Uint8Array {
  const shape = field(
    2,
    dims.flatMap((dim) => field(1, varint(1, dim))),
  );
  const type = field(2, field(1, [...varint(1, ELEMENT_TYPES[precision]), ...shape]));
  const graph = [
    ...field(1, node),
    ...field(2, "probe"),
    ...field(11, [...field(1, "x"), ...type]),
    ...field(12, [...field(1, "y"), ...type]),
  ];
  const operators = field(8, varint(2, 17));
  const fused = field(8, [...field(1, FUSED), ...varint(2, 1)]);
  return Uint8Array.from([...varint(1, 8), ...field(7, graph), ...operators, ...fused]);
}

const FUSED = "com.microsoft";

/** `y = -x` with `x [1]`: shows whether a device computes. */
export function probeModel(precision: GraphPrecision): Uint8Array {
  const node = [...field(1, "x"), ...field(2, "y"), ...field(4, "Neg")];
  return model(node, { dims: [1], precision });
}

const INTEGER = 2;

/** Self-attention of one head, `x [1, tokens, width]` in float32, by the fused operator. */
export function attentionModel(tokens: number, width: number): Uint8Array {
  const heads = [...field(1, "num_heads"), ...varint(3, 1), ...varint(20, INTEGER)];
  const node = [
    ...["x", "x", "x"].flatMap((name) => field(1, name)),
    ...field(2, "y"),
    ...field(4, "MultiHeadAttention"),
    ...field(5, heads),
    ...field(7, FUSED),
  ];
  return model(node, { dims: [1, tokens, width], precision: "float32" });
}
