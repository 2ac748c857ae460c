/** How much of the exact run's arithmetic a run takes at full size. */
import type { UNetForwards } from "./counting-runtime.ts";

/** Counted on the official code at a resolution of 256: billions of multiply-adds for each frame. */
const UNET_FORWARD_GMAC = 126.6;
/** Two encodes and a decode. */
const VAE_GMAC = 584;
/** DeepCache at interval 3 does 0.43 of the UNet's work: a shallow forward is so much of a whole one. */
const SHALLOW_SHARE = (3 * 0.43 - 1) / 2;

/** @param forwards for each frame. */
function gmacPerFrame({ full, shallow }: UNetForwards): number {
  return VAE_GMAC + UNET_FORWARD_GMAC * (full + SHALLOW_SHARE * shallow);
}

/** Work of the UNet and the VAE together; 1 is the exact run's. Both counts are of the same frames. */
export function relativeWork(
  forwards: UNetForwards,
  exact: UNetForwards,
  exactPerFrame: number,
): number {
  const frames = exact.full / exactPerFrame;
  const perFrame = { full: forwards.full / frames, shallow: forwards.shallow / frames };
  return gmacPerFrame(perFrame) / gmacPerFrame({ full: exactPerFrame, shallow: 0 });
}
