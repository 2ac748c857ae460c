export { type BorderFlicker, borderFlicker, regionChange } from "./border-flicker.ts";
export {
  bestLag,
  lagCorrelation,
  type LagCorrelation,
  lagCorrelations,
  pearson,
  type Signal,
} from "./correlation.ts";
export { edgeColourDifference, type FacePair } from "./edge-colour.ts";
export {
  evaluateLipSync,
  type EvaluationProgress,
  type EvaluationStage,
  type LipSyncEvaluation,
  type LipSyncEvaluationOptions,
} from "./evaluate-lip-sync.ts";
export type { FaceGeometry } from "./frame-comparison.ts";
export {
  type Curve,
  lipSyncReport,
  type LipSyncReport,
  type LipSyncReportInput,
  type LipSyncTruth,
  type TruthKind,
} from "./lip-sync-report.ts";
export { speechLoudness } from "./loudness.ts";
export type { MouthMeasure, MouthRuler } from "./mouth-ruler.ts";
export { ssim } from "./ssim.ts";
