/** Finds out whether a device computes fused attention rightly. */
import { float32 } from "@ls/core";
import { attentionModel } from "./probe-model.ts";
import type { SessionHost } from "./session-host.ts";

/** Of the attention that is tried: more keys than any kernel takes in one step. */
const TOKENS = 96;
const WIDTH = 8;

/** A float32 kernel is off by 1e-6; one that leaves keys out, by more than 0.1. */
const TOLERANCE = 1e-3;

/** Values between -2 and 2, so that a key that is left out or taken twice is seen. */
function tokenValues(): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: TOKENS * WIDTH }, (_, index) => 2 * Math.sin(index * index));
}

/**
 * Whether fused attention gives what it should. ONNX Runtime's kernel for WebGPU loops over keys by the
 * width of the device's subgroups: it is wrong on those of 4 (SwiftShader, release 1.30), and has been
 * on those of 32 (microsoft/onnxruntime#28520).
 */
export async function attendsRightly<Options>(
  host: SessionHost<Options>,
  options: Options,
): Promise<boolean> {
  try {
    const { id } = await host.create({ bytes: attentionModel(TOKENS, WIDTH) }, options);
    try {
      const x = float32([1, TOKENS, WIDTH], tokenValues());
      const { y } = await host.run(id, { x }, ["y"]);
      const expected = selfAttention(tokenValues());
      return expected.every((value, index) => Math.abs(Number(y?.data[index]) - value) < TOLERANCE);
    } finally {
      await host.release(id);
    }
  } catch {
    return false;
  }
}

/** Tokens `[TOKENS, WIDTH]` as their own queries, keys and values. */
function selfAttention(tokens: Float32Array): readonly number[] {
  const rows = Array.from({ length: TOKENS }, (_, index) =>
    tokens.subarray(index * WIDTH, (index + 1) * WIDTH),
  );
  return rows.flatMap((query) => {
    const weights = rows.map((key) => Math.exp(dot(query, key) / Math.sqrt(WIDTH)));
    const sum = weights.reduce((total, weight) => total + weight);
    return Array.from({ length: WIDTH }, (_, column) => {
      const values = rows.map((row) => row[column] as number);
      return dot(weights, values) / sum;
    });
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}
