export { type FullSizeOptions, fullSizePhases, type Phase } from "./full-size.ts";
export {
  type Benchmark,
  type BenchmarkFactory,
  measure,
  type Measurement,
  type MeasureOptions,
  median,
} from "./measure.ts";
export {
  type BenchmarkEnvironment,
  type BenchmarkReport,
  describeEnvironment,
  formatReport,
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
export { wholeBenchmark, type WholeOptions } from "./whole.ts";
