/**
 * What a person looks like, for telling people apart: the 1024 features of HSE-FaceRes, a MobileNet
 * that was trained to recognize the people of VGGFace2 (A. V. Savchenko, PeerJ Computer Science 5,
 * e197, 2019; Apache-2.0). `@vladmandic/human` brings it as `faceres.json`.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { squareFromLandmarks } from "./face-mesh.ts";
import { type FramePart, sampleRotatedSquare } from "./image-sampling.ts";
import { type ImageGraph, loadImageGraph, type TensorFlow } from "./tensorflow.ts";

const MODEL_FILE = "faceres.json";
const INPUT_SIZE = 224;
const OUTPUTS = ["global_pooling/Mean"] as const;
/** The face's part of the landmarks' square, which is larger than the face. */
const CROP = 0.75;
/** Of Caffe's models, whose input is BGR from 0 to 255 less these. */
const MEANS = [103.939, 116.779, 123.68] as const;

export class AppearanceNetwork implements Disposable {
  readonly #graph: ImageGraph;

  private constructor(graph: ImageGraph) {
    this.#graph = graph;
  }

  /** `undefined` if the folder does not have the network. */
  static async load(
    tensorflow: TensorFlow,
    modelFolder: string,
  ): Promise<AppearanceNetwork | undefined> {
    const path = join(modelFolder, MODEL_FILE);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (!exists) return undefined;
    return new AppearanceNetwork(await loadImageGraph(tensorflow, path, INPUT_SIZE));
  }

  /**
   * The appearance of a face as a unit vector of 1024 elements.
   * @param landmarks FaceMesh's `[468, 2]` in pixels of the frame.
   * @param before an earlier measure of the same face: the result is then the mean of both.
   */
  measure(frame: FramePart, landmarks: Float64Array, before?: Float32Array): Float32Array {
    const square = squareFromLandmarks(landmarks);
    const pixels = sampleRotatedSquare(frame, { ...square, size: square.size * CROP }, INPUT_SIZE);
    const [features] = this.#graph.run(toNetwork(pixels), OUTPUTS);
    const now = normalized(features ?? new Float32Array());
    if (before === undefined) return now;
    return normalized(now.map((value, index) => value + (before[index] as number)));
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
  }
}

/** RGB from 0 to 1 to what the network takes, in place. */
function toNetwork(pixels: Float32Array): Float32Array {
  const [blueMean, greenMean, redMean] = MEANS;
  for (let index = 0; index < pixels.length; index += 3) {
    const red = pixels[index] as number;
    pixels[index] = (pixels[index + 2] as number) * 255 - blueMean;
    pixels[index + 1] = (pixels[index + 1] as number) * 255 - greenMean;
    pixels[index + 2] = red * 255 - redMean;
  }
  return pixels;
}

function normalized(values: Float32Array): Float32Array {
  let sum = 0;
  for (const value of values) sum += value * value;
  const length = Math.sqrt(sum);
  return length > 0 ? values.map((value) => value / length) : values;
}
