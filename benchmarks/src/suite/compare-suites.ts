/** Compares two runs of an evaluation set, case by case. */
import { LatentSyncError } from "@ls/core";
import { type JudgedFigure, judgedFigures } from "./judged-figures.ts";
import {
  endsAsExpected,
  type SuiteCaseResult,
  type SuiteReport,
  type SuiteSettings,
} from "./suite-report.ts";

/**
 * - `identical`: the same frames, bit for bit, and the same figures within tolerance
 * - `equal`: other frames, but every figure within tolerance
 * - `worse`: a figure is worse by more than its tolerance, or the case no longer ends as it must
 * - `better`: nothing is worse, and something is better
 */
export type SuiteVerdict = "identical" | "equal" | "better" | "worse";

export interface FigureComparison {
  readonly label: string;
  readonly unit: string;
  readonly digits: number;
  readonly tolerance: number;
  readonly baseline: number | null;
  readonly candidate: number | null;
  readonly verdict: Exclude<SuiteVerdict, "identical">;
}

export interface CaseComparison {
  readonly name: string;
  readonly verdict: SuiteVerdict;
  /** How it ended, where that needs to be told: an error's code in both builds. */
  readonly failures: { readonly baseline: string | null; readonly candidate: string | null };
  readonly figures: readonly FigureComparison[];
  /** Not judged. */
  readonly modelSeconds: { readonly baseline: number; readonly candidate: number };
  readonly peakMemoryBytes: { readonly baseline: number; readonly candidate: number };
}

export interface SuiteComparison {
  readonly suite: string;
  readonly settings: SuiteSettings;
  /** In what the two builds differ: model, runtime, versions, machine. */
  readonly differences: readonly BuildDifference[];
  readonly cases: readonly CaseComparison[];
  /** Names of the cases that are worse. */
  readonly worse: readonly string[];
}

export interface BuildDifference {
  readonly what: string;
  readonly baseline: string;
  readonly candidate: string;
}

/** What of a report must fit; a run that is yet to come has it, too. */
export interface Comparable extends Pick<SuiteReport, "suite" | "settings"> {
  readonly cases: readonly Pick<SuiteCaseResult, "name" | "inputs">[];
}

function refuse(message: string, hint: string): never {
  throw new LatentSyncError("invalid_argument", message, { hint });
}

/**
 * @param names the cases that are compared; default: those of both, which must then be the same.
 * @throws LatentSyncError `invalid_argument` unless sets, settings, cases and inputs are the same.
 */
export function checkComparable(
  baseline: Comparable,
  candidate: Comparable,
  names?: readonly string[],
): void {
  if (baseline.suite !== candidate.suite) {
    refuse(
      `The baseline is of the evaluation set ${baseline.suite}, but this is ${candidate.suite}.`,
      "Make both reports with builds that have the same evaluation set.",
    );
  }
  for (const name of ["inferenceSteps", "guidanceScale", "seed"] as const) {
    const [was, is] = [baseline.settings[name], candidate.settings[name]];
    if (was === is) continue;
    refuse(
      `The baseline was made with ${name} ${was}, but this with ${is}.`,
      "Run both builds with the same settings: --inference-steps is the one that can be chosen.",
    );
  }
  const compared = names ?? [
    ...new Set([...baseline.cases, ...candidate.cases].map(({ name }) => name)),
  ];
  for (const name of compared) {
    const [was, is] = [findCase(baseline, name), findCase(candidate, name)];
    if (was === undefined || is === undefined) {
      refuse(
        `The ${was === undefined ? "baseline" : "candidate"} has no case ${name}.`,
        "Name the cases to compare with --cases, or run the missing ones.",
      );
    }
    if (
      was.inputs.picturesSha256 !== is.inputs.picturesSha256 ||
      was.inputs.speechSha256 !== is.inputs.speechSha256
    ) {
      refuse(
        `The case ${name} of the baseline was made of other pictures or another speech.`,
        "Make both reports with builds that generate the same clips.",
      );
    }
  }
}

function findCase<T extends { readonly name: string }>(
  { cases }: { readonly cases: readonly T[] },
  name: string,
): T | undefined {
  return cases.find((one) => one.name === name);
}

/**
 * @param names the cases to compare; default: all.
 * @throws LatentSyncError `invalid_argument` if the two cannot be compared.
 */
export function compareSuites(
  baseline: SuiteReport,
  candidate: SuiteReport,
  names?: readonly string[],
): SuiteComparison {
  checkComparable(baseline, candidate, names);
  const cases = candidate.cases.flatMap((is) => {
    const was = findCase(baseline, is.name);
    const isMeant = names === undefined || names.includes(is.name);
    return was === undefined || !isMeant ? [] : [compareCase(was, is)];
  });
  return {
    suite: candidate.suite,
    settings: candidate.settings,
    differences: findDifferences(baseline, candidate),
    cases,
    worse: cases.filter(({ verdict }) => verdict === "worse").map(({ name }) => name),
  };
}

function compareCase(was: SuiteCaseResult, is: SuiteCaseResult): CaseComparison {
  const figures = judgedFigures.map((figure) => compareFigure(figure, was, is));
  return {
    name: is.name,
    verdict: judgeCase(was, is, figures),
    failures: { baseline: was.failure, candidate: is.failure },
    figures,
    modelSeconds: { baseline: was.modelSeconds, candidate: is.modelSeconds },
    peakMemoryBytes: { baseline: was.peakMemoryBytes, candidate: is.peakMemoryBytes },
  };
}

function judgeCase(
  was: SuiteCaseResult,
  is: SuiteCaseResult,
  figures: readonly FigureComparison[],
): SuiteVerdict {
  if (endsAsExpected(was) !== endsAsExpected(is)) return endsAsExpected(is) ? "better" : "worse";
  if (is.failure !== null || was.failure !== null) {
    return was.failure === is.failure ? "identical" : "equal";
  }
  const verdicts = new Set(figures.map(({ verdict }) => verdict));
  if (verdicts.has("worse")) return "worse";
  if (verdicts.has("better")) return "better";
  return was.framesSha256 === is.framesSha256 ? "identical" : "equal";
}

function compareFigure(
  figure: JudgedFigure,
  was: SuiteCaseResult,
  is: SuiteCaseResult,
): FigureComparison {
  const { label, unit, digits, tolerance } = figure;
  return {
    ...{ label, unit, digits, tolerance },
    baseline: figure.value(was),
    candidate: figure.value(is),
    verdict: judgeFigure(figure, was, is),
  };
}

/** A figure that can no longer be measured is worse. */
function judgeFigure(
  { goodness, tolerance }: JudgedFigure,
  was: SuiteCaseResult,
  is: SuiteCaseResult,
): FigureComparison["verdict"] {
  const [before, now] = [goodness(was), goodness(is)];
  if (before === null) return now === null ? "equal" : "better";
  if (now === null || now < before - tolerance) return "worse";
  return now > before + tolerance ? "better" : "equal";
}

function findDifferences(baseline: SuiteReport, candidate: SuiteReport): BuildDifference[] {
  const [was, is] = [describeBuild(baseline), describeBuild(candidate)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .map((what) => ({
      what,
      baseline: was.get(what) ?? "none",
      candidate: is.get(what) ?? "none",
    }))
    .filter((difference) => difference.baseline !== difference.candidate);
}

const HASH_DIGITS = 12;

function describeBuild({ model, runtime, environment }: SuiteReport): Map<string, string> {
  const { name, hash, resolution } = model;
  return new Map([
    ["model", `${name} ${hash.slice(0, HASH_DIGITS)}, ${resolution} pixels`],
    ["runtime", `${runtime.name}, ${runtime.precision}`],
    ...Object.entries(environment.versions),
    ["node", environment.node],
    ["processor", `${environment.cpu}, ${environment.cores} cores`],
    ["system", environment.system],
  ]);
}
