/**
 * Memory of the networks, estimated from their sizes. The constants are measured on ONNX Runtime's
 * CPU provider in float32, as growth of the resident memory (decisions/012-memory-plan.md has the figures).
 */
import type { ModelInfo, ModelSize } from "../model.ts";
import type { Precision, Runtime } from "../runtime.ts";
import type { UNetUse } from "./networks.ts";

export interface NetworkLoad {
  readonly info: ModelInfo;
  readonly device: Runtime["capabilities"]["device"];
  readonly precision: Precision;
  readonly use: UNetUse;
  readonly chunksPerBatch: number;
  readonly imagesPerRun: number;
}

export interface NetworkMemory {
  readonly weightBytes: number;
  readonly activationBytes: number;
}

const FLOAT32_BYTES = 4;

/** Bytes in memory per byte of weights: kernels of convolutions keep repacked copies. */
const WEIGHT_FACTORS: Readonly<Record<keyof ModelSize["parameters"], number>> = {
  unet: 1,
  vae_encoder: 2,
  vae_decoder: 2,
  whisper_encoder: 1.5,
};
/** Feature maps of the full size and the base width that are alive at the same time. */
const UNET_MAPS = 70;
const ENCODER_MAPS = 3.2;
const DECODER_MAPS = 8.2;
/** The rest of a run: the speech's network, and each session's own. */
const REST_BYTES = 150e6;
/** A GPU's context and the workspaces of its libraries. Not measured. */
const GPU_REST_BYTES = 1e9;
/** DeepCache's second graph repeats the outermost layers. Not measured. */
const DEEP_CACHE_FACTOR = 1.1;

/** Of one device, with every network that a run keeps open there; `undefined` if sizes are unknown. */
export function networkBytes(load: NetworkLoad): NetworkMemory | undefined {
  const { info, device, precision, use, chunksPerBatch, imagesPerRun } = load;
  const { size, resolution, vaeScaleFactor, framesPerChunk } = info;
  if (size === undefined) return undefined;
  const elementBytes = precision === "float16" ? 2 : FLOAT32_BYTES;
  const { unet: unetWeights, ...others } = WEIGHT_FACTORS;
  const otherWeights = Object.entries(others).reduce(
    (sum, [network, factor]) => sum + factor * size.parameters[network as keyof typeof others],
    0,
  );
  const unetFactor = use.deepCacheInterval === undefined ? 1 : DEEP_CACHE_FACTOR;
  const branches = use.guidance === "none" ? 1 : 2;
  const latentMap = (resolution / vaeScaleFactor) ** 2 * size.unetWidth;
  const unet = branches * chunksPerBatch * framesPerChunk * latentMap * UNET_MAPS * unetFactor;
  const imageMap = resolution ** 2 * size.vaeWidth;
  const vae = imagesPerRun * imageMap * (ENCODER_MAPS + DECODER_MAPS);
  return {
    weightBytes: elementBytes * (size.parameters.unet * unetWeights * unetFactor + otherWeights),
    activationBytes: (unet + vae) * elementBytes + (device === "gpu" ? GPU_REST_BYTES : REST_BYTES),
  };
}
