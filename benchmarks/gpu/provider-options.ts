/**
 * Times a step of the UNet on ONNX Runtime's CUDA provider with options that onnxruntime-node does not
 * pass on, each in turns with onnxruntime-node's own, and prints the comparisons as JSON.
 *
 *   node benchmarks/gpu/provider-options.ts --size 256 --rounds 5
 */
import { parseArgs } from "node:util";
import { comparePairs, stageBenchmarks } from "@ls/benchmarks";
import { openRandomModel, type RandomModelSize } from "@ls/models";
import { createCudaRuntime } from "@ls/runtime-cuda";

/** The first changes nothing but the way to the provider. */
const CANDIDATES: readonly Readonly<Record<string, string>>[] = [
  { do_copy_in_default_stream: "1" },
  { cudnn_conv_algo_search: "HEURISTIC" },
  { cudnn_conv_use_max_workspace: "0" },
  { prefer_nhwc: "1" },
  { use_tf32: "0" },
  { tunable_op_enable: "1", tunable_op_tuning_enable: "1" },
  { arena_extend_strategy: "kSameAsRequested" },
];

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "256" },
    rounds: { type: "string", default: "5" },
    frames: { type: "string", default: "16" },
    stage: { type: "string", default: "unet-step" },
  },
});

const { signal } = new AbortController();
const results: unknown[] = [];
await using model = openRandomModel({ size: values.size as RandomModelSize });
for (const providerOptions of CANDIDATES) {
  try {
    await using plain = await createCudaRuntime();
    await using changed = await createCudaRuntime({ providerOptions });
    const [ours, other] = [plain, changed].map((runtime) =>
      stageBenchmarks({
        model,
        runtime,
        precision: "float16",
        frames: Number(values.frames),
      }).find(({ name }) => name === values.stage),
    );
    if (ours === undefined || other === undefined) {
      throw new RangeError(`There is no stage ${values.stage}.`);
    }
    const [comparison] = await comparePairs({
      pairs: [{ stage: values.stage, ours, other }],
      rounds: Number(values.rounds),
      signal,
    });
    results.push({ providerOptions, comparison });
  } catch (error) {
    // One that this release refuses says nothing of the others.
    results.push({
      providerOptions,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}
process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
