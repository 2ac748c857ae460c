/**
 * The inference seam. A runtime runs ONNX graphs; it is *not* a tensor library, does not know
 * LatentSync, and keeps no tensor alive between runs. Adapters pass `runtimeConformance` of
 * `@ls/testing`.
 */
import type { Tensor, TensorDataType } from "./tensor.ts";

/** Which operators a graph may use; every runtime names the profile that is fastest on it. */
export type GraphProfile = "cpu" | "cuda" | "webgpu" | "tensorrt" | "openvino";

/**
 * Arithmetic of a graph's weights and activations. Inputs and outputs are float32 in any case.
 * There are no graphs in bfloat16: a runtime that has it computes so with a float32 graph.
 */
export type Precision = "float32" | "float16" | "bfloat16";

/** Element types that graphs are built in. */
export type GraphPrecision = Exclude<Precision, "bfloat16">;

/** What a graph must be built in so that a runtime can compute in `precision`. */
export function graphPrecision(precision: Precision): GraphPrecision {
  return precision === "bfloat16" ? "float32" : precision;
}

export interface RuntimeCapabilities {
  /** Where the arithmetic runs. */
  readonly device: "cpu" | "gpu";
  /** The graph profile this runtime asks for. */
  readonly profile: GraphProfile;
  /** Supported precisions, the preferred one first. */
  readonly precisions: readonly [Precision, ...Precision[]];
}

/** An ONNX model: a file (its external data beside it), or the bytes of a model without external data. */
export type GraphSource = { readonly path: string } | { readonly bytes: Uint8Array };

export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDataType;
  /** A number, or the name of a symbolic dimension. */
  readonly dims: readonly (number | string)[];
}

export interface SessionOptions {
  /** Fixes symbolic dimensions by name, so that the runtime can plan for them. */
  readonly dimensions?: Readonly<Record<string, number>>;
  /** Arithmetic, one of the runtime's precisions that the graph suits. Default: the graph's own. */
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Outputs to compute; all if not given. */
  readonly outputs?: readonly string[];
  /** Aborts before the run starts; a run that is under way ends first. */
  readonly signal?: AbortSignal;
}

export interface Session extends AsyncDisposable {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /**
   * Runs the graph. Feeds are left intact. Concurrent calls are allowed and are run in order.
   * @throws LatentSyncError `invalid_argument` for a missing, unknown or wrongly typed feed,
   *   `runtime` if the graph fails, `disposed` after disposal.
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    options?: RunOptions,
  ): Promise<Record<string, Tensor>>;
}

/** Memory of a machine or of an accelerator. */
export interface MemoryInfo {
  readonly totalBytes: number;
  /** What can be had now. */
  readonly freeBytes: number;
}

export interface Runtime extends AsyncDisposable {
  /** A short name such as `cpu`, `webgpu` or `cuda`. */
  readonly name: string;
  readonly capabilities: RuntimeCapabilities;
  /** Memory of an accelerator's own, now; `undefined` if it cannot be told. CPUs use the host's. */
  memory?(): Promise<MemoryInfo | undefined>;
  /**
   * Loads a graph.
   * @throws LatentSyncError `not_found`, `invalid_model` or `unsupported`.
   */
  createSession(graph: GraphSource, options?: SessionOptions): Promise<Session>;
}
