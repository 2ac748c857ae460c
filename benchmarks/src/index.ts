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
export { wholeBenchmark, type WholeOptions } from "./whole.ts";
