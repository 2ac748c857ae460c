/** Counts the arithmetic of a graph by walking its operators with the shapes of given inputs. */
import { elementCount, type GraphSource } from "@ls/core";
import { inferShapes } from "./infer-shapes.ts";
import {
  type GraphFile,
  type GraphFileNode,
  type GraphFileTensor,
  readGraph,
} from "./read-graph.ts";

/** Multiplications with an addition each, of matrix products, convolutions and attention. */
export interface GraphWork {
  /** A multiply-add is two floating-point operations. */
  readonly multiplyAdds: number;
  /** The same by operator: `Conv`, `MatMul`, `com.microsoft.MultiHeadAttention`. */
  readonly byOperator: Readonly<Record<string, number>>;
}

/** A graph that was read once and can be asked for its work at several shapes. */
export interface WorkCounter {
  /**
   * @param inputs shape of every input, by name.
   * @throws LatentSyncError `unsupported` for an operator whose shapes are not known.
   */
  count(inputs: Readonly<Record<string, readonly number[]>>): GraphWork;
}

/**
 * Reads a graph for counting: exact for the operators that the arithmetic is in; norms, activations
 * and additions, under one part in a hundred, are left out, as usual.
 * @throws LatentSyncError `invalid_model` if it is no ONNX model.
 */
export async function openWorkCounter(source: GraphSource): Promise<WorkCounter> {
  const graph = await readGraph(source);
  return { count: (inputs) => countGraph(graph, inputs) };
}

function countGraph(
  { nodes, tensors }: GraphFile,
  inputs: Readonly<Record<string, readonly number[]>>,
): GraphWork {
  const values = new Map<string, GraphFileTensor>(tensors);
  for (const [name, dims] of Object.entries(inputs)) values.set(name, { dims });
  const byOperator: Record<string, number> = {};
  let multiplyAdds = 0;
  for (const node of nodes) {
    const given = node.inputs.map((name) => (name === "" ? undefined : values.get(name)));
    const made = inferShapes(node, given);
    for (const [index, name] of node.outputs.entries()) {
      const output = made[index];
      if (output !== undefined) values.set(name, output);
    }
    const work = nodeWork(node, given, made[0]?.dims ?? []);
    if (work === 0) continue;
    const operator = node.domain === "" ? node.type : `${node.domain}.${node.type}`;
    byOperator[operator] = (byOperator[operator] ?? 0) + work;
    multiplyAdds += work;
  }
  return { multiplyAdds, byOperator };
}

function nodeWork(
  { type, integers }: GraphFileNode,
  inputs: readonly (GraphFileTensor | undefined)[],
  output: readonly number[],
): number {
  const [first = [], second = [], third = []] = inputs.map((input) => input?.dims ?? []);
  switch (type) {
    case "MatMul":
      return elementCount(output) * (first.at(-1) ?? 0);
    case "Gemm":
      return elementCount(output) * (first[integers.get("transA")?.[0] === 1 ? 0 : 1] ?? 0);
    case "Conv":
    case "NhwcConv":
      // Weights of one output: its inputs and the kernel.
      return elementCount(output) * elementCount(second.slice(1));
    case "MultiHeadAttention": {
      const scores = elementCount(first.slice(0, -1)) * (second.at(-2) ?? 0);
      return scores * ((first.at(-1) ?? 0) + (third.at(-1) ?? 0));
    }
    default:
      return 0;
  }
}
