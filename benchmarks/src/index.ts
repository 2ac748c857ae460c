export {
  comparePairs,
  type ComparePairsOptions,
  type OutputDifference,
  type PairToCompare,
  type Ratio,
  type StageComparison,
} from "./compare.ts";
export { formatComparison, formatReport } from "./format-report.ts";
export { freshProcess, type FreshProcessOptions } from "./fresh-process.ts";
export { type FullSizeOptions, fullSizePhases, type Phase } from "./full-size.ts";
export { type GpuDescription, type Hardware, readHardware } from "./hardware.ts";
export {
  type DeviceFigures,
  type InstrumentOptions,
  type Instruments,
  openInstruments,
  type Reading,
} from "./instruments.ts";
export {
  type Benchmark,
  type BenchmarkFactory,
  measure,
  type Measurement,
  type MeasureOptions,
  median,
} from "./measure.ts";
export { officialJob, type OfficialJobOptions } from "./official/official-job.ts";
export {
  officialModel,
  type OfficialOptions,
  type OfficialPrecision,
  officialPrecisions,
  OfficialProcess,
  officialScript,
} from "./official/official-process.ts";
export {
  officialStage,
  type OfficialStageName,
  officialStageNames,
  type OfficialStageOptions,
} from "./official/official-stages.ts";
export { type MeasuredPeak, measurePeak } from "./peak.ts";
export {
  type BenchmarkEnvironment,
  type BenchmarkReport,
  type ComparisonReport,
  describeEnvironment,
  type MeasuredOn,
} from "./report.ts";
export { stageBenchmarks, type StageName, stageNames, type StageOptions } from "./stages.ts";
export {
  type BuildDifference,
  type CaseComparison,
  compareSuites,
  type FigureComparison,
  type SuiteComparison,
  type SuiteVerdict,
} from "./suite/compare-suites.ts";
export { formatSuiteComparison, formatSuiteReport } from "./suite/format-suite.ts";
export { runSuite, type SuiteOptions } from "./suite/run-suite.ts";
export {
  endsAsExpected,
  readSuiteReport,
  type SuiteCaseResult,
  type SuiteFigures,
  type SuiteInputs,
  type SuiteReport,
  type SuiteSettings,
} from "./suite/suite-report.ts";
export { inTemporaryFolder } from "./temporary-folder.ts";
export { wholeBenchmark, type WholeOptions } from "./whole.ts";
