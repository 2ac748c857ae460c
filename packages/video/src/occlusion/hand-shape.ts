/** What a hand covers, from its landmarks: palm, fingers and the arm behind the wrist. */
import { CELLS } from "./face-cells.ts";
import type { Hand } from "./hand-network.ts";

const WRIST = 0;
const MIDDLE_KNUCKLE = 9;
/** Joints of the thumb and of the fingers, from the palm to the tip. */
const FINGERS = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
  [9, 10, 11, 12],
  [13, 14, 15, 16],
  [17, 18, 19, 20],
] as const;
const PALM = [0, 1, 5, 9, 13, 17] as const;
/** Half the width of a finger and of the arm, and the palm's border, of its length. */
const FINGER_RADIUS = 0.14;
const ARM_RADIUS = 0.34;
const PALM_BORDER = 0.12;
/** How far the arm goes on behind the wrist, of the palm's length. */
const ARM_LENGTH = 6;

interface Capsule {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly radius: number;
}

/**
 * @param side of the square that the landmarks lie in.
 * @returns `[64, 64]` float32: 1 in the hand, falling to 0 over about a cell at its edge.
 */
export function drawHand({ landmarks }: Hand, side: number): Float32Array {
  const scale = CELLS / side;
  const at = (index: number): [number, number] => [
    (landmarks[index * 2] as number) * scale,
    (landmarks[index * 2 + 1] as number) * scale,
  ];
  const [wristX, wristY] = at(WRIST);
  const [knuckleX, knuckleY] = at(MIDDLE_KNUCKLE);
  const [alongX, alongY] = [wristX - knuckleX, wristY - knuckleY];
  const palm = Math.hypot(alongX, alongY);
  const elbow: [number, number] = [wristX + alongX * ARM_LENGTH, wristY + alongY * ARM_LENGTH];
  const capsules: Capsule[] = [{ from: at(WRIST), to: elbow, radius: ARM_RADIUS * palm }];
  for (const joints of FINGERS) {
    for (let joint = 1; joint < joints.length; joint++) {
      const [from, to] = [at(joints[joint - 1] as number), at(joints[joint] as number)];
      capsules.push({ from, to, radius: FINGER_RADIUS * palm });
    }
  }
  const corners = PALM.map(at);
  const cover = new Float32Array(CELLS * CELLS);
  for (let y = 0; y < CELLS; y++) {
    for (let x = 0; x < CELLS; x++) {
      let depth = depthInPolygon(corners, x + 0.5, y + 0.5) + PALM_BORDER * palm;
      for (const capsule of capsules) depth = Math.max(depth, depthIn(capsule, x + 0.5, y + 0.5));
      cover[y * CELLS + x] = Math.min(Math.max(depth + 0.5, 0), 1);
    }
  }
  return cover;
}

/** Distance to the edge, positive inside. */
function depthIn({ from, to, radius }: Capsule, x: number, y: number): number {
  return radius - distanceToSegment(from, to, x, y);
}

function distanceToSegment(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  x: number,
  y: number,
): number {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const squared = dx * dx + dy * dy;
  const along = squared === 0 ? 0 : ((x - x1) * dx + (y - y1) * dy) / squared;
  const inside = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x - x1 - inside * dx, y - y1 - inside * dy);
}

function depthInPolygon(
  corners: readonly (readonly [number, number])[],
  x: number,
  y: number,
): number {
  let isInside = false;
  let distance = Number.POSITIVE_INFINITY;
  for (const [index, to] of corners.entries()) {
    const from = corners.at(index - 1) ?? to;
    distance = Math.min(distance, distanceToSegment(from, to, x, y));
    const crosses = from[1] > y !== to[1] > y;
    if (crosses && x < from[0] + ((y - from[1]) / (to[1] - from[1])) * (to[0] - from[0])) {
      isInside = !isInside;
    }
  }
  return isInside ? distance : -distance;
}
