/** The networks on OpenVINO against the official pipeline's results, and when OpenVINO is chosen. */
import { Resources, type Runtime } from "@ls/core";
import { type OpenedModel, openModel } from "@ls/models";
import { probeCuda } from "@ls/runtime-cuda";
import { createOpenVinoRuntime, probeOpenVino } from "@ls/runtime-openvino";
import { difference, hasReference, reference, referenceTitle } from "@ls/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { selectRuntime } from "../src/select-runtime.ts";
import { answerOf, assertGolden, GOLDEN_CASES } from "./golden-networks.ts";

/** bfloat16 has 8 bits of mantissa, and the networks' weights are random. */
const BFLOAT16_COSINE = 0.999;

const openVino = await probeOpenVino();
const hasCuda = (await probeCuda()).available;
const title = (what: string): string =>
  openVino.available ? what : `${what} (skipped: ${openVino.reason})`;

let model: OpenedModel;
let runtime: Runtime;

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

  it.each(GOLDEN_CASES)("$what: float32 within 1e-4", async (example) => {
    assertGolden(await answerOf(example, { model, runtime, precision: "float32" }), example);
  });

  it.for(GOLDEN_CASES)("$what: bfloat16 by direction", async (example, context) => {
    if (!runtime.capabilities.precisions.includes("bfloat16")) {
      context.skip("the CPU has no bfloat16");
    }
    const outputs = await answerOf(example, { model, runtime, precision: "bfloat16" });
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
