/**
 * MediaPipe's hand landmark network (lite, 224x224, 21 landmarks, Apache-2.0), which
 * `@vladmandic/human` brings: tells whether a square shows a hand, even a part of one over a face.
 */
import { join } from "node:path";
import type { FramePart, RotatedSquare } from "../faces/image-sampling.ts";
import { sampleRotatedSquare } from "../faces/image-sampling.ts";
import { type ImageGraph, loadImageGraph, type TensorFlow } from "../faces/tensorflow.ts";

const INPUT_SIZE = 224;
/** Landmarks `[21, 3]` in pixels of the input, and the hand flag. */
const OUTPUTS = ["Identity", "Identity_1"] as const;
const LANDMARKS = 21;
const WRIST = 0;
const MIDDLE_KNUCKLE = 9;
/** How much larger than the landmarks the square around a hand is. */
const SQUARE_SCALE = 1.7;

/** A hand in pixels of the picture. */
export interface Hand {
  /** Confidence, 0 to 1. */
  readonly score: number;
  /** `[21, 2]`: the wrist, then four of each finger from the thumb on, tips last. */
  readonly landmarks: Float64Array;
}

export class HandNetwork implements Disposable {
  readonly #graph: ImageGraph;

  private constructor(graph: ImageGraph) {
    this.#graph = graph;
  }

  /** Loads `handlandmark-lite.json`. */
  static async load(tensorflow: TensorFlow, modelFolder: string): Promise<HandNetwork> {
    const path = join(modelFolder, "handlandmark-lite.json");
    return new HandNetwork(await loadImageGraph(tensorflow, path, INPUT_SIZE));
  }

  /** The hand that a square shows, if it shows one. */
  read(frame: FramePart, square: RotatedSquare): Hand {
    const pixels = sampleRotatedSquare(frame, square, INPUT_SIZE);
    const [values = new Float32Array(), flag] = this.#graph.run(pixels, OUTPUTS);
    const scale = square.size / INPUT_SIZE;
    const cosine = Math.cos(square.angle) * scale;
    const sine = Math.sin(square.angle) * scale;
    const landmarks = new Float64Array(LANDMARKS * 2);
    for (let index = 0; index < LANDMARKS; index++) {
      const u = (values[index * 3] as number) - INPUT_SIZE / 2;
      const v = (values[index * 3 + 1] as number) - INPUT_SIZE / 2;
      landmarks[index * 2] = square.centerX + u * cosine - v * sine;
      landmarks[index * 2 + 1] = square.centerY + u * sine + v * cosine;
    }
    return { score: flag?.[0] ?? 0, landmarks };
  }

  [Symbol.dispose](): void {
    this.#graph[Symbol.dispose]();
  }
}

/** The square in which the network sees a hand best: around it, fingers up. */
export function squareAroundHand({ landmarks }: Hand): RotatedSquare {
  const along = (to: number, axis: 0 | 1): number =>
    (landmarks[to * 2 + axis] as number) - (landmarks[WRIST * 2 + axis] as number);
  const angle = Math.atan2(along(MIDDLE_KNUCKLE, 1), along(MIDDLE_KNUCKLE, 0)) + Math.PI / 2;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let index = 0; index < landmarks.length; index += 2) {
    const x = landmarks[index] as number;
    const y = landmarks[index + 1] as number;
    const u = x * cosine + y * sine;
    const v = y * cosine - x * sine;
    left = Math.min(left, u);
    right = Math.max(right, u);
    top = Math.min(top, v);
    bottom = Math.max(bottom, v);
  }
  const u = (left + right) / 2;
  const v = (top + bottom) / 2;
  return {
    centerX: u * cosine - v * sine,
    centerY: u * sine + v * cosine,
    size: Math.max(right - left, bottom - top) * SQUARE_SCALE,
    angle,
  };
}
