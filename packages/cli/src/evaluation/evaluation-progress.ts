import type { EvaluationProgress, EvaluationStage } from "@ls/testing";
import { createLogUpdate } from "log-update";
import type { Terminal } from "../terminal.ts";

const STAGES: Readonly<Record<EvaluationStage, string>> = {
  video: "Measuring the mouth",
  truth: "Measuring the true mouth",
  source: "Measuring the source's mouth",
  "mouth pixels": "Comparing the mouth's pixels with the truth",
  "other pixels": "Comparing the other pixels with the source",
};

export interface EvaluationProgressReporter extends Disposable {
  report(progress: EvaluationProgress): void;
}

/** A line that counts frames on a terminal, a line per stage elsewhere. */
export function createEvaluationProgress({ stderr }: Terminal): EvaluationProgressReporter {
  if (stderr.isTTY !== true) {
    let last: EvaluationStage | undefined;
    return {
      report({ stage }) {
        if (stage !== last) stderr.write(`${STAGES[stage]}\n`);
        last = stage;
      },
      [Symbol.dispose]: () => undefined,
    };
  }
  const line = createLogUpdate(stderr);
  return {
    report({ stage, frames, totalFrames }) {
      const total = totalFrames === undefined ? "" : `/${totalFrames}`;
      line(`${STAGES[stage]}: frame ${frames}${total}`);
    },
    [Symbol.dispose]: () => {
      line.clear();
      line.done();
    },
  };
}
