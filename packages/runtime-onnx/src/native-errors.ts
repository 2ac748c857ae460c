/** Turns what ONNX Runtime throws, which is text only, into errors of the project. */
import { type GraphSource, LatentSyncError, type LatentSyncErrorCode } from "@ls/core";
import type { ErrorMessage } from "./messages.ts";

interface Rule {
  readonly pattern: RegExp;
  readonly code: LatentSyncErrorCode;
  readonly hint: string;
}

const LOAD_RULES: readonly Rule[] = [
  {
    pattern: /External data path does not exist|escapes (model|working) directory/u,
    code: "not_found",
    hint: "Keep the model's external data file beside the model and load it by its path.",
  },
  {
    pattern: /Could not find an implementation|NOT_IMPLEMENTED/u,
    code: "unsupported",
    hint: "Choose another runtime or precision, or build the graph for this runtime's profile.",
  },
  {
    pattern:
      /Opset \d+ is under development|Unsupported model IR version|no available backend found/u,
    code: "unsupported",
    hint: "Use a model or runtime of a matching version.",
  },
  {
    pattern: /AppendExecutionProvider|WebGPU adapter|webgpu_context/u,
    code: "unsupported",
    hint: "Use --runtime cpu, or install the device's driver.",
  },
  {
    pattern: /bad_alloc|[Ff]ailed to allocate memory|out of memory/u,
    code: "runtime",
    hint: "Free memory, or use a smaller model or another device.",
  },
];

const RUN_RULES: readonly Rule[] = [
  {
    pattern: /Invalid rank for input|Got invalid dimensions|Unexpected input data type/u,
    code: "invalid_argument",
    hint: "Give every input the shape that the session's `inputs` say.",
  },
  {
    pattern: /bad_alloc|[Ff]ailed to allocate memory|out of memory/u,
    code: "runtime",
    hint: "Free memory, or use a smaller model or another device.",
  },
];

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/gu, " ").trim();
}

/** How messages name a graph. */
export function describeSource(source: GraphSource): string {
  return "path" in source ? source.path : `a model of ${source.bytes.byteLength} bytes`;
}

/** An error of session creation. */
export function loadError(error: unknown, source: GraphSource): LatentSyncError {
  const text = textOf(error);
  const rule = LOAD_RULES.find(({ pattern }) => pattern.test(text));
  return new LatentSyncError(
    rule?.code ?? "invalid_model",
    `ONNX Runtime cannot load ${describeSource(source)}: ${text}`,
    {
      cause: error,
      hint: rule?.hint ?? "The file is damaged or not an ONNX model: delete it and get it again.",
    },
  );
}

/** An error of a run. */
export function runError(error: unknown): LatentSyncError {
  const text = textOf(error);
  const rule = RUN_RULES.find(({ pattern }) => pattern.test(text));
  return new LatentSyncError(
    rule?.code ?? "runtime",
    `ONNX Runtime cannot run the graph: ${text}`,
    {
      cause: error,
      hint: rule?.hint ?? "Check that the inputs' shapes fit each other.",
    },
  );
}

/** Takes an error apart for the way to another thread. */
export function packError(error: unknown): ErrorMessage {
  const known = LatentSyncError.is(error) ? error : undefined;
  const cause = known === undefined ? error : known.cause;
  return {
    code: known?.code ?? "runtime",
    message: known?.message ?? textOf(error),
    hint: known?.hint,
    cause: cause instanceof Error ? cause : undefined,
  };
}

/** Puts an error together again. */
export function unpackError(error: ErrorMessage): LatentSyncError {
  return new LatentSyncError(error.code, error.message, {
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
