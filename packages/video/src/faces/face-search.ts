/** Searches frames for faces with BlazeFace: at a glance, and closely where that shows none. */
import { join } from "node:path";
import {
  BLAZE_FACE_OUTPUTS,
  BLAZE_FACE_SIZE,
  type BlazeFaceDetection,
  decodeBlazeFace,
  suppressWeighted,
} from "./blaze-face.ts";
import type { FramePart, RotatedSquare } from "./image-sampling.ts";
import { detectionInFrame, sampleView, tileViews, wholeView, widenedView } from "./search-view.ts";
import { type ImageGraph, loadImageGraph, type TensorFlow } from "./tensorflow.ts";

const MIN_DETECTION_SCORE = 0.5;
/** BlazeFace finds faces down to about this many pixels of its input. */
const SMALLEST_FACE = 12;
/** Tiles are no smaller than this part of the frame, so that there are not too many. */
const SMALLEST_TILE = 1 / 4;
/** With the upright views, these show every face at less than 45 degrees from upright or upside down. */
const TURNS: readonly number[] = [Math.PI / 2, -Math.PI / 2];

export class FaceSearch implements Disposable {
  readonly #blazeFace: ImageGraph;
  readonly #minWidth: number;

  private constructor(blazeFace: ImageGraph, minWidth: number) {
    this.#blazeFace = blazeFace;
    this.#minWidth = minWidth;
  }

  /**
   * Loads `blazeface.json` from `modelFolder`.
   * @param minWidth width in pixels of the smallest face that is worth looking for closely.
   */
  static async load(
    tensorflow: TensorFlow,
    modelFolder: string,
    minWidth: number,
  ): Promise<FaceSearch> {
    const path = join(modelFolder, "blazeface.json");
    return new FaceSearch(await loadImageGraph(tensorflow, path, BLAZE_FACE_SIZE), minWidth);
  }

  /** Faces that are upright, whole, and not small for the frame. */
  glance(frame: FramePart): BlazeFaceDetection[] {
    return this.within(frame, wholeView(frame));
  }

  /** Faces in one view. */
  within(frame: FramePart, view: RotatedSquare): BlazeFaceDetection[] {
    const outputs = this.#blazeFace.run(sampleView(frame, view), BLAZE_FACE_OUTPUTS);
    return decodeBlazeFace(outputs, MIN_DETECTION_SCORE).map((detection) =>
      detectionInFrame(detection, view),
    );
  }

  /** Faces that a glance misses, by kind: cut off or small, turned, small and turned. */
  *closely(frame: FramePart): Generator<BlazeFaceDetection[]> {
    const whole = wholeView(frame);
    const tiles = this.#tiles(frame);
    for (const views of [[widenedView(frame), ...tiles], turned([whole]), turned(tiles)]) {
      if (views.length === 0) continue;
      yield suppressWeighted(views.flatMap((view) => this.within(frame, view)));
    }
  }

  /** Tiles in which the smallest faces are large enough, if they are not so in the whole frame. */
  #tiles(frame: FramePart): RotatedSquare[] {
    const { size } = wholeView(frame);
    const needed = (this.#minWidth * BLAZE_FACE_SIZE) / SMALLEST_FACE;
    const views: RotatedSquare[] = [];
    for (let side = size / 2; side * 2 > needed && side >= size * SMALLEST_TILE; side /= 2) {
      views.push(...tileViews(frame, side));
    }
    return views;
  }

  [Symbol.dispose](): void {
    this.#blazeFace[Symbol.dispose]();
  }
}

function turned(views: readonly RotatedSquare[]): RotatedSquare[] {
  return TURNS.flatMap((angle) => views.map((view) => ({ ...view, angle })));
}
