/**
 * Decoding of BlazeFace (the back-camera model: 256x256, 896 anchors).
 * After MediaPipe 0.8's back-camera graph (`modules/face_detection`): SSD anchors and weighted
 * non-maximum suppression.
 */

/** Side of the input image in pixels. */
export const BLAZE_FACE_SIZE = 256;

/** Names of the outputs: scores and boxes of the 512 fine anchors, then of the 384 coarse ones. */
export const BLAZE_FACE_OUTPUTS = ["Identity", "Identity_2", "Identity_1", "Identity_3"] as const;

const VALUES_PER_ANCHOR = 16;
const GRIDS = [
  { stride: 16, anchorsPerCell: 2 },
  { stride: 32, anchorsPerCell: 6 },
] as const;
const MIN_SUPPRESSION_OVERLAP = 0.3;

/** A detection; coordinates are continuous: the top-left pixel reaches from 0 to 1. */
export interface BlazeFaceDetection {
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Eyes (image left, image right), nose tip, mouth, ears (image left, image right): x, y of each. */
  readonly keypoints: readonly number[];
}

/**
 * Detections of one image in pixels of the 256x256 input, best first, overlaps blended.
 * @param outputs values of {@link BLAZE_FACE_OUTPUTS}.
 */
export function decodeBlazeFace(
  outputs: readonly Float32Array[],
  minScore: number,
): BlazeFaceDetection[] {
  const detections = GRIDS.flatMap((grid, index) =>
    decodeGrid(
      outputs[index * 2] as Float32Array,
      outputs[index * 2 + 1] as Float32Array,
      grid,
      minScore,
    ),
  );
  return suppressWeighted(detections);
}

function decodeGrid(
  scores: Float32Array,
  boxes: Float32Array,
  grid: (typeof GRIDS)[number],
  minScore: number,
): BlazeFaceDetection[] {
  const cells = BLAZE_FACE_SIZE / grid.stride;
  const detections: BlazeFaceDetection[] = [];
  for (let anchor = 0; anchor < scores.length; anchor++) {
    const score = 1 / (1 + Math.exp(-(scores[anchor] as number)));
    if (score < minScore) continue;
    const cell = Math.floor(anchor / grid.anchorsPerCell);
    const anchorX = ((cell % cells) + 0.5) * grid.stride;
    const anchorY = (Math.floor(cell / cells) + 0.5) * grid.stride;
    const values = boxes.subarray(anchor * VALUES_PER_ANCHOR, (anchor + 1) * VALUES_PER_ANCHOR);
    detections.push(decodeAnchor(values, score, anchorX, anchorY));
  }
  return detections;
}

function decodeAnchor(
  values: Float32Array,
  score: number,
  anchorX: number,
  anchorY: number,
): BlazeFaceDetection {
  const [x = 0, y = 0, width = 0, height = 0] = values;
  return {
    score,
    left: anchorX + x - width / 2,
    top: anchorY + y - height / 2,
    right: anchorX + x + width / 2,
    bottom: anchorY + y + height / 2,
    keypoints: Array.from(
      values.subarray(4),
      (value, index) => value + (index % 2 === 0 ? anchorX : anchorY),
    ),
  };
}

/** Intersection over union of two detections. */
function overlap(a: BlazeFaceDetection, b: BlazeFaceDetection): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  const areaA = (a.right - a.left) * (a.bottom - a.top);
  const areaB = (b.right - b.left) * (b.bottom - b.top);
  return shared / (areaA + areaB - shared);
}

/** Blends every detection with those that overlap it, weighted by score; best first. */
export function suppressWeighted(detections: readonly BlazeFaceDetection[]): BlazeFaceDetection[] {
  let remaining = detections.toSorted((a, b) => b.score - a.score);
  const kept: BlazeFaceDetection[] = [];
  for (let best = remaining[0]; best !== undefined; best = remaining[0]) {
    const leader = best;
    const cluster = remaining.filter(
      (other) => other === leader || overlap(leader, other) > MIN_SUPPRESSION_OVERLAP,
    );
    kept.push(blend(cluster, leader.score));
    remaining = remaining.filter((other) => !cluster.includes(other));
  }
  return kept;
}

function blend(cluster: readonly BlazeFaceDetection[], score: number): BlazeFaceDetection {
  const total = cluster.reduce((sum, { score: weight }) => sum + weight, 0);
  const mean = (pick: (detection: BlazeFaceDetection) => number): number =>
    cluster.reduce((sum, detection) => sum + detection.score * pick(detection), 0) / total;
  return {
    score,
    left: mean(({ left }) => left),
    top: mean(({ top }) => top),
    right: mean(({ right }) => right),
    bottom: mean(({ bottom }) => bottom),
    keypoints: (cluster[0] as BlazeFaceDetection).keypoints.map((_, index) =>
      mean(({ keypoints }) => keypoints[index] as number),
    ),
  };
}
