/** Does the mouth say the new speech, and no longer the old one? The figures of it, from numbers. */
import {
  bestLag,
  type LagCorrelation,
  lagCorrelation,
  lagCorrelations,
  pearson,
  type Signal,
  standardDeviation,
} from "./correlation.ts";

/** Where the mouth's true opening comes from. */
export type TruthKind =
  /** Measured in another video, by the same ruler. */
  | "video"
  /** Given as numbers. */
  | "openings"
  /** No truth: the loudness of the speech stands in for it. */
  | "loudness";

/** A truth: a value per frame, `undefined` where it is not known. */
export interface LipSyncTruth {
  readonly kind: TruthKind;
  readonly openings: Signal;
}

export interface LipSyncReportInput {
  /** Opening of the mouth in every frame; `undefined` where there is no face. */
  readonly measured: Signal;
  readonly truth: LipSyncTruth;
  /** Opening of the mouth in the video that was lip-synced, frame by frame as `measured`. */
  readonly source?: Signal | undefined;
  /** Shifts that are tried, in frames; default 15 to either side. */
  readonly maxLagFrames?: number | undefined;
}

/** A value per frame, `null` where there is none: JSON as it stands. */
export type Curve = readonly (number | null)[];

/** What was found; every figure that is not defined is `null`, so that JSON holds it as it is. */
export interface LipSyncReport {
  readonly frames: number;
  /** Of them; they are left out of all correlations. */
  readonly framesWithoutFace: number;
  readonly truth: {
    readonly kind: TruthKind;
    readonly frames: number;
    /** Frames for which the truth is not known. */
    readonly framesMissing: number;
  };
  /** Of the measured opening and the truth, without any shift; `null` where either stands still. */
  readonly correlation: number | null;
  /** Frames that both have. */
  readonly framesCompared: number;
  /** Where the correlation is highest; `null` where it is defined nowhere. */
  readonly bestLag: { readonly lagFrames: number; readonly correlation: number } | null;
  /** Correlation at every shift that was tried, in order. */
  readonly lags: readonly { readonly lagFrames: number; readonly correlation: number | null }[];
  /** Correlation with the mouth of the video that was lip-synced; `null` without that video. */
  readonly sourceCorrelation: number | null;
  /**
   * Standard deviation of the opening: correlation does not see how far a mouth moves. A ruler's own
   * noise, about 0.01 eye distances for FaceMesh, is what a still mouth has. `truth` is `null` unless
   * it was measured, too.
   */
  readonly movement: {
    readonly measured: number | null;
    readonly truth: number | null;
    readonly source: number | null;
  };
  readonly openings: {
    readonly measured: Curve;
    readonly truth: Curve;
    readonly source: Curve | null;
  };
}

const DEFAULT_MAX_LAG_FRAMES = 15;

export function lipSyncReport(input: LipSyncReportInput): LipSyncReport {
  const { measured, truth, source, maxLagFrames = DEFAULT_MAX_LAG_FRAMES } = input;
  const now = lagCorrelation(measured, truth.openings, 0);
  const lags = lagCorrelations(measured, truth.openings, maxLagFrames);
  const best = bestLag(lags);
  return {
    frames: measured.length,
    framesWithoutFace: missing(measured),
    truth: {
      kind: truth.kind,
      frames: truth.openings.length,
      framesMissing: missing(truth.openings),
    },
    correlation: now.correlation ?? null,
    framesCompared: now.frames,
    bestLag:
      best?.correlation === undefined
        ? null
        : { lagFrames: best.lagFrames, correlation: best.correlation },
    lags: lags.map(({ lagFrames, correlation }: LagCorrelation) => ({
      lagFrames,
      correlation: correlation ?? null,
    })),
    sourceCorrelation: (source === undefined ? undefined : pearson(measured, source)) ?? null,
    movement: {
      measured: standardDeviation(measured) ?? null,
      truth: (truth.kind === "video" ? standardDeviation(truth.openings) : undefined) ?? null,
      source: (source === undefined ? undefined : standardDeviation(source)) ?? null,
    },
    openings: {
      measured: curve(measured),
      truth: curve(truth.openings),
      source: source === undefined ? null : curve(source),
    },
  };
}

function missing(signal: Signal): number {
  return curve(signal).filter((value) => value === null).length;
}

function curve(signal: Signal): Curve {
  return Array.from(signal, (value) => value ?? null);
}
