/** What the device reaches at best: a matrix product on the same runtime and in the same precision. */
import { float32, graphPrecision, type Precision, type Runtime } from "@ls/core";
import { encodeGraph, Graph } from "@ls/models";
import { timed } from "./timed.ts";

export interface MeasuredPeak {
  /** Floating-point operations per second of the fastest run. */
  readonly flopsPerSecond: number;
  /** Side of the square matrices that reached it. */
  readonly side: number;
}

const SIDES = [1024, 2048, 4096, 8192] as const;
/** Products after one another in one run, so that starting it does not count. */
const CHAIN = 4;
const RUNS = 4;
/** Once a run takes this long, larger matrices would gain nothing. */
const LONG_RUN_MS = 150;
const OPSET = 20;

/**
 * Multiplies ever larger square matrices, and takes the fastest. The weights are constants, as those of
 * networks are, and nothing but two numbers travels between host and device.
 * @throws what the runtime throws, if it cannot even multiply the smallest.
 */
export async function measurePeak(options: {
  readonly runtime: Runtime;
  readonly precision: Precision;
  readonly signal: AbortSignal;
  /** Default: 1024 and doubles of it, as far as they take a short time. */
  readonly sides?: readonly number[];
}): Promise<MeasuredPeak> {
  const { sides = SIDES, signal } = options;
  let best: MeasuredPeak | undefined;
  for (const side of sides) {
    let milliseconds: number;
    try {
      milliseconds = await fastestChain(side, options);
    } catch (error) {
      signal.throwIfAborted();
      // The device's memory ends here, but smaller ones have been measured.
      if (best === undefined) throw error;
      break;
    }
    const flopsPerSecond = (2 * CHAIN * side ** 3 * 1000) / milliseconds;
    if (flopsPerSecond > (best?.flopsPerSecond ?? 0)) best = { flopsPerSecond, side };
    if (milliseconds > LONG_RUN_MS) break;
  }
  if (best === undefined) throw new RangeError("measurePeak needs at least one side.");
  return best;
}

async function fastestChain(
  side: number,
  { runtime, precision, signal }: Parameters<typeof measurePeak>[0],
): Promise<number> {
  signal.throwIfAborted();
  const bytes = await encodeGraph(productChain(side, graphPrecision(precision)), signal);
  await using session = await runtime.createSession({ bytes }, { precision, signal });
  const feeds = { scale: float32([1], Float32Array.of(1)) };
  let fastest = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const { milliseconds } = await timed(() => session.run(feeds, { signal }));
    fastest = Math.min(fastest, milliseconds);
  }
  return fastest;
}

/** `mean(W s W W W W)` of a constant `[side, side]` and a number that keeps it from being folded. */
function productChain(side: number, dtype: "float32" | "float16"): Graph {
  const graph = new Graph({ name: "peak", opset: OPSET });
  const scale = graph.input("scale", "float32", [1]);
  const as = (type: 1 | 10, result: "float32" | "float16") =>
    ({ attributes: { to: type }, dtype: result }) as const;
  const weight = graph.initializer({
    name: "weight",
    dtype,
    shape: [side, side],
    load: () => Promise.resolve(weights(side, dtype)),
  });
  const factor = dtype === "float16" ? graph.op("Cast", [scale], as(10, "float16")) : scale;
  let product = graph.op("Mul", [weight, factor]);
  for (let link = 0; link < CHAIN; link++) product = graph.op("MatMul", [product, weight]);
  const mean = graph.op("ReduceMean", [product], { attributes: { keepdims: 0 } });
  const result = dtype === "float16" ? graph.op("Cast", [mean], as(1, "float32")) : mean;
  graph.output("mean", result, []);
  return graph;
}

/** Signs in an irregular order, so small that products stay about as large as their factors. */
function weights(side: number, dtype: "float32" | "float16"): Float32Array | Uint16Array {
  const exponent = Math.round(Math.log2(side) / 2);
  let state = 1;
  const isNegative = (): boolean => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state < 0;
  };
  if (dtype === "float32") {
    const size = 2 ** -exponent;
    return Float32Array.from({ length: side ** 2 }, () => (isNegative() ? -size : size));
  }
  const HALF_EXPONENT_BIAS = 15;
  const bits = (HALF_EXPONENT_BIAS - exponent) << 10;
  return Uint16Array.from({ length: side ** 2 }, () => (isNegative() ? bits | 0x8000 : bits));
}
