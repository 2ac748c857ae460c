/** Turns what OpenVINO says, which is text only, into errors of the project. */
import { type GraphSource, LatentSyncError, type LatentSyncErrorCode } from "@ls/core";

interface Rule {
  readonly pattern: RegExp;
  readonly code: LatentSyncErrorCode;
  readonly hint: string;
}

const OUT_OF_MEMORY: Rule = {
  pattern: /bad_alloc|[Cc]annot allocate memory|out of memory/u,
  code: "runtime",
  hint: "Free memory, or use a smaller model or another device.",
};

const LOAD_RULES: readonly Rule[] = [OUT_OF_MEMORY];

const RUN_RULES: readonly Rule[] = [
  {
    pattern: /shape|dimension|rank/iu,
    code: "invalid_argument",
    hint: "Give every input the shape that the session's `inputs` say.",
  },
  OUT_OF_MEMORY,
];

/** OpenVINO's message without the source lines that it passed through. */
function essence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replaceAll(/(?:Exception from|Check '[^']*' failed at) [^\n]*:\d+:?/gu, "")
    .replaceAll(/\s+/gu, " ")
    .trim();
}

/** How messages name a graph. */
export function describeSource(source: GraphSource): string {
  return "path" in source ? source.path : `a model of ${source.bytes.byteLength} bytes`;
}

/** An error of session creation. */
export function loadError(error: unknown, source: GraphSource): LatentSyncError {
  if (LatentSyncError.is(error)) return error;
  const text = essence(error);
  const rule = LOAD_RULES.find(({ pattern }) => pattern.test(text));
  return new LatentSyncError(
    rule?.code ?? "invalid_model",
    `OpenVINO cannot load ${describeSource(source)}: ${text}`,
    {
      cause: error,
      hint: rule?.hint ?? "The file is damaged or not an ONNX model: delete it and get it again.",
    },
  );
}

/** An error of a run. */
export function runError(error: unknown): LatentSyncError {
  if (LatentSyncError.is(error)) return error;
  const text = essence(error);
  const rule = RUN_RULES.find(({ pattern }) => pattern.test(text));
  return new LatentSyncError(rule?.code ?? "runtime", `OpenVINO cannot run the graph: ${text}`, {
    cause: error,
    hint: rule?.hint ?? "Check that the inputs' shapes fit each other.",
  });
}
