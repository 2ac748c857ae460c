import { float32, type Tensor } from "@ls/core";
import { reference } from "./reference.ts";
import { readGoldenTensors } from "./safetensors.ts";

/** The tensors of a golden file, by name; one that is not there is an error. */
export function goldenFile(file: string): (name: string) => Tensor {
  const tensors = readGoldenTensors(reference(`${file}.safetensors`));
  return (name) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`${file} has no ${name}.`);
    return tensor;
  };
}

/** What the UNet's graphs are fed with, from a golden file of its inputs: the timestep is an integer there. */
export function goldenUNetFeeds(get: (name: string) => Tensor): {
  readonly sample: Tensor;
  readonly timestep: Tensor<"float32">;
  readonly encoder_hidden_states: Tensor;
} {
  return {
    sample: get("sample"),
    timestep: float32([1], Float32Array.from(get("timestep").data as BigInt64Array, Number)),
    encoder_hidden_states: get("encoder_hidden_states"),
  };
}
