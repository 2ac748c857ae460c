/** Runs graphs on ONNX Runtime's CPU provider, apart from the project's own runtimes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Tensor, float32 } from "@ls/core";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { type Graph, writeGraphs } from "../src/graph/index.ts";

/** How much the runtime rearranges a graph: "all" as in use, "basic" where loading should be quick. */
type Optimization = "all" | "basic";

export class TestSession implements AsyncDisposable {
  readonly #session: InferenceSession;

  private constructor(session: InferenceSession) {
    this.#session = session;
  }

  static async open(model: string, optimization: Optimization = "all"): Promise<TestSession> {
    const session = await InferenceSession.create(model, {
      graphOptimizationLevel: optimization,
      logSeverityLevel: 3,
      intraOpNumThreads: 1,
    });
    return new TestSession(session);
  }

  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const inputs = Object.entries(feeds).map(([name, { data, dims }]) => [
      name,
      new OrtTensor("float32", Float32Array.from(data as Float32Array), dims),
    ]);
    const outputs = await this.#session.run(
      Object.fromEntries(inputs) as Record<string, OrtTensor>,
    );
    return Object.fromEntries(
      Object.entries(outputs).map(([name, output]) => [
        name,
        float32([...output.dims], output.data as Float32Array),
      ]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release();
  }
}

/** A private folder that is removed at the end. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "ls-graph-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Writes a graph, loads it, and removes its files with the session. */
export async function openGraph(
  graph: Graph,
  optimization: Optimization = "all",
): Promise<TestSession> {
  await using folder = await temporaryFolder();
  const paths = await writeGraphs({
    graphs: [{ graph, fileName: `${graph.name}.onnx` }],
    directory: folder.path,
  });
  return await TestSession.open(paths[0]!, optimization);
}

/** Seeded values in [-1, 1). */
export function randomTensor(dims: readonly number[], seed: number): Tensor<"float32"> {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return float32(dims, data);
}
