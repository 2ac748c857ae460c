import type { Point } from "@ls/core";
import { hardFaces } from "./hard-faces.ts";

const SIZE = { width: 640, height: 360 } as const;
const FACE = { width: 120, height: 150 } as const;

function sides(out: number): readonly (readonly [name: string, center: Point])[] {
  return [
    ["left", [(0.5 - out) * FACE.width, SIZE.height / 2]],
    ["right", [SIZE.width - (0.5 - out) * FACE.width, SIZE.height / 2]],
    ["top", [SIZE.width / 2, (0.5 - out) * FACE.height]],
    ["bottom", [SIZE.width / 2, SIZE.height - (0.5 - out) * FACE.height]],
  ];
}

hardFaces(
  12,
  "faces partly outside the frame",
  [0.15, 0.3, 0.45].flatMap((out) =>
    sides(out).map(([side, center]) => ({
      name: `${Math.round(out * 100)} % of the face out at the ${side}`,
      showing: { ...SIZE, faceWidth: FACE.width, center },
      // Of a face without its brows and eyes little is left to be found.
      minFound: out < 0.4 ? 1 : side === "top" ? 0.1 : 0.5,
      maxError: out < 0.4 ? 0.05 : 0.1,
    })),
  ),
);
