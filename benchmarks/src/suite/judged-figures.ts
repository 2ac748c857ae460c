/** By which figures two builds are judged, and from which difference on. */
import type { SuiteCaseResult } from "./suite-report.ts";

export interface JudgedFigure {
  readonly label: string;
  /** A goodness that differs by no more than this is equal. */
  readonly tolerance: number;
  readonly unit: string;
  /** Digits after the point. */
  readonly digits: number;
  /** What people read; `null` where it is not defined. */
  readonly value: (result: SuiteCaseResult) => number | null;
  /** Higher is better; `null` where it is not defined. */
  readonly goodness: (result: SuiteCaseResult) => number | null;
}

type FigureOptions = Pick<JudgedFigure, "tolerance" | "unit" | "digits" | "value">;

const higherIsBetter = (label: string, options: FigureOptions): JudgedFigure => ({
  label,
  ...options,
  goodness: options.value,
});

/** The nearer to `target`, the better. */
const nearerIsBetter = (
  label: string,
  target: (result: SuiteCaseResult) => number | null,
  options: FigureOptions,
): JudgedFigure => ({
  label,
  ...options,
  goodness: (result) => {
    const [value, wanted] = [options.value(result), target(result)];
    return value === null || wanted === null ? null : -Math.abs(value - wanted);
  },
});

/**
 * The thresholds, all of them. Hashes of frames decide what is identical; time and memory are told
 * but not judged, since they depend on what else the machine does.
 */
export const judgedFigures: readonly JudgedFigure[] = [
  nearerIsBetter("frames", ({ expected }) => expected.frames, {
    ...{ tolerance: 0, unit: "", digits: 0 },
    value: ({ figures }) => figures.frames,
  }),
  nearerIsBetter("frames without face", ({ expected }) => expected.framesWithoutFace, {
    ...{ tolerance: 0, unit: "", digits: 0 },
    value: ({ figures }) => figures.framesWithoutFace,
  }),
  higherIsBetter("sync correlation", {
    ...{ tolerance: 0.02, unit: "", digits: 3 },
    value: ({ figures }) => figures.correlation,
  }),
  nearerIsBetter("lag", () => 0, {
    ...{ tolerance: 0, unit: "frames", digits: 0 },
    value: ({ figures }) => figures.lagFrames,
  }),
  higherIsBetter("SSIM outside the face", {
    ...{ tolerance: 0.0005, unit: "", digits: 4 },
    value: ({ figures }) => figures.ssimOutsideFace,
  }),
  higherIsBetter("PSNR of the mouth", {
    ...{ tolerance: 0.2, unit: "dB", digits: 1 },
    value: ({ figures }) => figures.mouthPsnrDb,
  }),
  nearerIsBetter("movement", ({ figures }) => figures.trueMovement, {
    ...{ tolerance: 0.005, unit: "", digits: 3 },
    value: ({ figures }) => figures.movement,
  }),
];
