export type { BuildOptions } from "./build-options.ts";
export { buildUNet, expectedUNetTensors, type UNetKind, type UNetOptions } from "./unet.ts";
export { buildVaeDecoder, buildVaeEncoder, expectedVaeTensors, type VaeOptions } from "./vae.ts";
export { buildWhisperEncoder, expectedWhisperTensors } from "./whisper.ts";
