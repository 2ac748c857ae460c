/** Two drawn people in one picture. */
import type { RgbImage } from "@ls/core";
import { createPerson, renderTalkingHead, restingArticulation } from "@ls/synthetic";

const WIDTH = 640;
const HEIGHT = 320;
export const COUPLE_SIZE = { width: WIDTH, height: HEIGHT } as const;

/** Two people side by side, the left one larger: at 0 to 320, and at 350 to 610. */
export async function drawCouple(index: number): Promise<RgbImage> {
  const data = new Uint8Array(WIDTH * HEIGHT * 3).fill(110);
  for (const [seed, size, left] of [
    [3, 320, 0],
    [5, 260, 350],
  ] as const) {
    const head = { person: createPerson(seed), articulationAt: () => restingArticulation };
    const image = await renderTalkingHead({ ...head, width: size, height: size }, index);
    for (let row = 0; row < size; row++) {
      const line = image.data.subarray(row * size * 3, (row + 1) * size * 3);
      data.set(line, (row * WIDTH + left) * 3);
    }
  }
  return { width: WIDTH, height: HEIGHT, data };
}
