/** Networks on a runtime, with the inputs and results of the official pipeline. */
import type { GraphKind, LatentSyncModel, Precision, Runtime, Tensor } from "@ls/core";
import { assertClose, goldenFile, goldenUNetFeeds } from "@ls/testing";
import { assert } from "vitest";

const TOLERANCE = 1e-4;

/** What a network is given, and what it must answer. */
export interface GoldenCase {
  readonly what: string;
  readonly kind: GraphKind;
  readonly feeds: () => Record<string, Tensor>;
  readonly expected: () => Record<string, Tensor>;
}

function unetCase(file: string): GoldenCase {
  return {
    what: file,
    kind: "unet",
    feeds: () => goldenUNetFeeds(goldenFile(file)),
    expected: () => ({ noise_pred: goldenFile(file)("out") }),
  };
}

export const GOLDEN_CASES: readonly GoldenCase[] = [
  unetCase("unet_f5"),
  unetCase("unet_f16"),
  {
    what: "vae, encoder",
    kind: "vae_encoder",
    feeds: () => ({ image: goldenFile("vae")("image") }),
    expected: () => ({ mean: goldenFile("vae")("mean"), logvar: goldenFile("vae")("logvar") }),
  },
  {
    what: "vae, decoder",
    kind: "vae_decoder",
    feeds: () => ({ latents: goldenFile("vae")("latents") }),
    expected: () => ({ image: goldenFile("vae")("decoded") }),
  },
];

/** What a network of the reference model answers on a runtime, in one of its precisions. */
export async function answerOf(
  { kind, feeds }: GoldenCase,
  on: {
    readonly model: LatentSyncModel;
    readonly runtime: Runtime;
    readonly precision: Precision;
  },
): Promise<Record<string, Tensor>> {
  const { model, runtime, precision } = on;
  const { profile } = runtime.capabilities;
  const graph = await model.graph({ kind, profile, precision: "float32" });
  await using session = await runtime.createSession(graph, { precision });
  return await session.run(feeds());
}

/** In float32, every number within 1e-4. */
export function assertGolden(outputs: Record<string, Tensor>, { expected }: GoldenCase): void {
  for (const [name, wanted] of Object.entries(expected())) {
    const actual = outputs[name];
    assert(actual !== undefined, name);
    assertClose(actual, wanted, TOLERANCE, name);
  }
}
