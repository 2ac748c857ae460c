/** The networks on OpenVINO against the official pipeline's results, and when OpenVINO is chosen. */
import {
  float32,
  type GraphKind,
  type Precision,
  Resources,
  type Runtime,
  type Tensor,
} from "@ls/core";
import { type OpenedModel, openModel } from "@ls/models";
import { probeCuda } from "@ls/runtime-cuda";
import { createOpenVinoRuntime, probeOpenVino } from "@ls/runtime-openvino";
import {
  assertClose,
  difference,
  hasReference,
  readGoldenTensors,
  reference,
  referenceTitle,
} from "@ls/testing";
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest";
import { selectRuntime } from "../src/select-runtime.ts";

const TOLERANCE = 1e-4;
/** bfloat16 has 8 bits of mantissa, and the networks' weights are random. */
const BFLOAT16_COSINE = 0.999;

const openVino = await probeOpenVino();
const hasCuda = (await probeCuda()).available;
const title = (what: string): string =>
  openVino.available ? what : `${what} (skipped: ${openVino.reason})`;

function golden(file: string): (name: string) => Tensor {
  const tensors = readGoldenTensors(reference(`${file}.safetensors`));
  return (name) => {
    const tensor = tensors.get(name);
    assert(tensor !== undefined, `${file} has no ${name}`);
    return tensor;
  };
}

/** What a network is given, and what it must answer. */
interface Case {
  readonly what: string;
  readonly kind: GraphKind;
  readonly feeds: () => Record<string, Tensor>;
  readonly expected: () => Record<string, Tensor>;
}

function unetCase(file: string): Case {
  return {
    what: file,
    kind: "unet",
    feeds: () => {
      const get = golden(file);
      const timestep = Float32Array.from(get("timestep").data as BigInt64Array, Number);
      return {
        sample: get("sample"),
        timestep: float32([1], timestep),
        encoder_hidden_states: get("encoder_hidden_states"),
      };
    },
    expected: () => ({ noise_pred: golden(file)("out") }),
  };
}

const CASES: readonly Case[] = [
  unetCase("unet_f5"),
  unetCase("unet_f16"),
  {
    what: "vae, encoder",
    kind: "vae_encoder",
    feeds: () => ({ image: golden("vae")("image") }),
    expected: () => ({ mean: golden("vae")("mean"), logvar: golden("vae")("logvar") }),
  },
  {
    what: "vae, decoder",
    kind: "vae_decoder",
    feeds: () => ({ latents: golden("vae")("latents") }),
    expected: () => ({ image: golden("vae")("decoded") }),
  },
];

let model: OpenedModel;
let runtime: Runtime;

async function answer(
  { kind, feeds }: Case,
  precision: Precision,
): Promise<Record<string, Tensor>> {
  const { profile } = runtime.capabilities;
  const graph = await model.graph({ kind, profile, precision: "float32" });
  await using session = await runtime.createSession(graph, { precision });
  return await session.run(feeds());
}

const goldenTitle = title(referenceTitle("openvino on golden data"));

describe.skipIf(!hasReference || !openVino.available)(goldenTitle, () => {
  beforeAll(async () => {
    model = await openModel(reference("model"));
    runtime = await createOpenVinoRuntime();
  });
  afterAll(async () => {
    await runtime[Symbol.asyncDispose]();
    await model[Symbol.asyncDispose]();
  });

  it.each(CASES)("$what: float32 within 1e-4", async (example) => {
    const outputs = await answer(example, "float32");
    for (const [name, expected] of Object.entries(example.expected())) {
      const actual = outputs[name];
      assert(actual !== undefined, name);
      assertClose(actual, expected, TOLERANCE, name);
    }
  });

  it.for(CASES)("$what: bfloat16 by direction", async (example, context) => {
    if (!runtime.capabilities.precisions.includes("bfloat16")) {
      context.skip("the CPU has no bfloat16");
    }
    const outputs = await answer(example, "bfloat16");
    for (const [name, expected] of Object.entries(example.expected())) {
      const { cosine, maxAbsolute } = difference(outputs[name]?.data ?? [], expected.data);
      console.log(`${example.what}, ${name}: cosine ${cosine}, largest difference ${maxAbsolute}`);
      expect(cosine, name).toBeGreaterThan(BFLOAT16_COSINE);
    }
  });
});

describe.skipIf(!openVino.available || hasCuda)(title("auto with OpenVINO and no CUDA"), () => {
  const hasBfloat16 = openVino.precisions[0] === "bfloat16";

  it.each([
    { precision: "auto", expected: hasBfloat16 ? "openvino" : "cpu" },
    { precision: "bfloat16", expected: hasBfloat16 ? "openvino" : "cpu" },
    { precision: "float32", expected: "cpu" },
    { precision: "float16", expected: "cpu" },
  ] as const)("is $expected for $precision", async ({ precision, expected }) => {
    await using resources = new Resources();
    const { name } = await selectRuntime({ runtime: "auto", precision, threads: 1 }, resources);
    expect(name).toBe(expected);
  });
});

describe.skipIf(openVino.available)("openvino where it is not installed", () => {
  it("is refused with the places that were looked at", async () => {
    await using resources = new Resources();
    await expect(selectRuntime({ runtime: "openvino" }, resources)).rejects.toMatchObject({
      code: "unsupported",
      message: openVino.reason,
      hint: expect.stringContaining("latentsync-ts runtime install openvino"),
    });
  });
});
