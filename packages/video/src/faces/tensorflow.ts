/** TensorFlow.js behind four methods: the only file of the package that touches it. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { LatentSyncError } from "@ls/core";
import type { GraphModel, loadGraphModel } from "@tensorflow/tfjs-converter";
import type * as Core from "@tensorflow/tfjs-core";

/** How TensorFlow.js computes: `auto` takes `node-gpu` when it is installed, else `wasm`. */
export type TensorFlowBackend = "auto" | "wasm" | "node-gpu";

type CoreApi = Pick<
  typeof Core,
  "io" | "memory" | "ready" | "setBackend" | "tensor4d" | "tidy" | "getBackend"
>;

/** The part of TensorFlow.js in use; `@tensorflow/tfjs-node-gpu` exports all of it. */
export type TensorFlow = CoreApi & { readonly loadGraphModel: typeof loadGraphModel };

/** A graph on square RGB images. */
export interface ImageGraph extends Disposable {
  /**
   * Runs the graph.
   * @param pixels `[inputSize, inputSize, 3]` float32.
   * @returns for every name of `outputs` its values.
   */
  run(pixels: Float32Array, outputs: readonly string[]): Float32Array[];
}

const require = createRequire(import.meta.url);
const NODE_GPU = "@tensorflow/tfjs-node-gpu";

/** Loads TensorFlow.js with the backend that was asked for; no network is used. */
export async function loadTensorFlow(
  backend: TensorFlowBackend,
  importNodeGpu: () => Promise<unknown> = () => import(NODE_GPU),
): Promise<TensorFlow> {
  if (backend !== "wasm") {
    try {
      const module = (await importNodeGpu()) as TensorFlow & { readonly default?: TensorFlow };
      const tensorflow = module.default ?? module;
      await tensorflow.ready();
      return tensorflow;
    } catch (error) {
      if (backend === "node-gpu") {
        throw new LatentSyncError("unsupported", `${NODE_GPU} cannot be loaded.`, {
          cause: error,
          hint: `Install it beside this package (npm install ${NODE_GPU}) with its CUDA libraries, or use the backend "wasm".`,
        });
      }
    }
  }
  return loadWasm();
}

async function loadWasm(): Promise<TensorFlow> {
  const [core, converter, wasm] = await Promise.all([
    import("@tensorflow/tfjs-core"),
    import("@tensorflow/tfjs-converter"),
    import("@tensorflow/tfjs-backend-wasm"),
  ]);
  wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  if (!(await core.setBackend("wasm"))) {
    throw new LatentSyncError("unsupported", "TensorFlow.js could not start its wasm backend.", {
      hint: "Reinstall @tensorflow/tfjs-backend-wasm.",
    });
  }
  return { ...core, loadGraphModel: converter.loadGraphModel };
}

/** Folder of the model files inside `@vladmandic/human`. */
export function packagedModelFolder(): string {
  return join(dirname(require.resolve("@vladmandic/human")), "..", "models");
}

interface ModelJson {
  readonly modelTopology: object;
  readonly weightsManifest: readonly {
    readonly paths: readonly string[];
    readonly weights: Core.io.WeightsManifestEntry[];
  }[];
  readonly signature?: object;
}

async function readModelFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new LatentSyncError("not_found", `The face model file ${path} cannot be read.`, {
      cause: error,
      hint: "Reinstall @vladmandic/human, or name a folder that holds its model files.",
    });
  }
}

async function readArtifacts(path: string): Promise<Core.io.ModelArtifacts> {
  const json = JSON.parse((await readModelFile(path)).toString("utf8")) as ModelJson;
  const parts = await Promise.all(
    json.weightsManifest
      .flatMap((group) => group.paths)
      .map((name) => readModelFile(join(dirname(path), name))),
  );
  const weights = Buffer.concat(parts);
  return {
    modelTopology: json.modelTopology,
    format: "graph-model",
    weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
    ...(json.signature === undefined ? {} : { signature: json.signature }),
  };
}

/**
 * Loads a graph model (`model.json` and its weight files) from the disk.
 * @param inputSize side of its input image in pixels.
 */
export async function loadImageGraph(
  tensorflow: TensorFlow,
  path: string,
  inputSize: number,
): Promise<ImageGraph> {
  let model: GraphModel;
  try {
    model = await tensorflow.loadGraphModel({ load: () => readArtifacts(path) });
  } catch (error) {
    if (LatentSyncError.is(error)) throw error;
    throw new LatentSyncError("invalid_model", `The face model ${path} cannot be loaded.`, {
      cause: error,
      hint: "Reinstall @vladmandic/human.",
    });
  }
  if (model.inputs[0]?.shape?.[2] !== inputSize) {
    model.dispose();
    throw new LatentSyncError(
      "invalid_model",
      `The face model ${path} does not take images of ${inputSize}x${inputSize}.`,
      { hint: "Use the model files of @vladmandic/human 3.3." },
    );
  }
  return {
    run: (pixels, outputs) => {
      const results = tensorflow.tidy(() => {
        const input = tensorflow.tensor4d(pixels, [1, inputSize, inputSize, 3]);
        const computed = model.execute(input, [...outputs]);
        return (Array.isArray(computed) ? computed : [computed]).map((tensor) => tensor.dataSync());
      });
      return results.map((values) => Float32Array.from(values));
    },
    [Symbol.dispose]: () => model.dispose(),
  };
}
