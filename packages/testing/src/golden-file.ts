import type { Tensor } from "@ls/core";
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
