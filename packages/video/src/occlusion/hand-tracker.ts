/** Finds the hand over a face in aligned squares that follow one another. */
import { type FramePart, type RotatedSquare, wholeFrame } from "../faces/image-sampling.ts";
import { type Hand, type HandNetwork, squareAroundHand } from "./hand-network.ts";
import { lipRedness } from "./lip-redness.ts";

/** Where hands are looked for: middle and side of a square, of the side of the face's. */
const PROBE = { centerY: 0.65, size: 1.2 } as const;
/** Fingers pointing up to the right and to the left: the network knows hands that are turned as far off. */
const ANGLES = [Math.PI / 3, -Math.PI / 3] as const;
/** Squares of which one is searched: that whose lips are seen least. */
const SEARCH_INTERVAL = 16;
/** Confidence of a probe that is worth a second look, and of that look. */
const MIN_PROBE_SCORE = 0.5;
const MIN_SCORE = 0.7;
/** Confidence with which a hand is followed. */
const MIN_FOLLOWED_SCORE = 0.5;

/**
 * The hand of each face; `undefined` where there is none. What is found is followed both ways.
 * @param faces `[3, side, side]` uint8 each, RGB planes.
 */
export function trackHand(
  network: HandNetwork,
  faces: readonly Uint8Array[],
  side: number,
): readonly (Hand | undefined)[] {
  const hands: (Hand | undefined)[] = faces.map(() => undefined);
  const frameAt = (index: number): FramePart => frameOf(faces[index] as Uint8Array, side);
  const follow = (from: number, step: 1 | -1): void => {
    for (let index = from + step; index in hands && hands[index] === undefined; index += step) {
      const before = squareAroundHand(hands[index - step] as Hand);
      const hand = network.read(frameAt(index), before);
      if (hand.score < MIN_FOLLOWED_SCORE) return;
      hands[index] = hand;
    }
  };
  for (let start = 0; start < faces.length; start += SEARCH_INTERVAL) {
    const redness = faces
      .slice(start, start + SEARCH_INTERVAL)
      .map((face) => lipRedness(face, side));
    const index = start + redness.indexOf(Math.min(...redness));
    hands[index] ??= search(network, frameAt(index));
    if (hands[index] === undefined) continue;
    follow(index, 1);
    follow(index, -1);
  }
  return hands;
}

function search(network: HandNetwork, frame: FramePart): Hand | undefined {
  const side = frame.width;
  for (const angle of ANGLES) {
    const square: RotatedSquare = {
      centerX: side / 2,
      centerY: PROBE.centerY * side,
      size: PROBE.size * side,
      angle,
    };
    const probed = network.read(frame, square);
    if (probed.score < MIN_PROBE_SCORE) continue;
    const hand = network.read(frame, squareAroundHand(probed));
    if (hand.score >= MIN_SCORE) return hand;
  }
  return undefined;
}

function frameOf(face: Uint8Array, side: number): FramePart {
  const plane = side * side;
  const data = new Uint8Array(face.length);
  for (let index = 0; index < plane; index++) {
    data[index * 3] = face[index] as number;
    data[index * 3 + 1] = face[index + plane] as number;
    data[index * 3 + 2] = face[index + 2 * plane] as number;
  }
  return wholeFrame({ width: side, height: side, data });
}
