export type { BuildOptions } from "./build-options.ts";
export { buildUNet, expectedUNetTensors, type UNetOptions, type UNetStepKind } from "./unet.ts";
export { buildUNetGroup, type UNetGroupOptions } from "./unet-group.ts";
export { buildVaeDecoder, buildVaeEncoder, expectedVaeTensors, type VaeOptions } from "./vae.ts";
export { buildWhisperEncoder, expectedWhisperTensors } from "./whisper.ts";
