/** The networks on WebGPU against the official pipeline's results; on a Vulkan device in software if need be. */
import type { Runtime } from "@ls/core";
import { type OpenedModel, openModel } from "@ls/models";
import { createOnnxRuntime, probeDevices } from "@ls/runtime-onnx";
import { hasReference, reference, referenceTitle, useSoftwareVulkan } from "@ls/testing";
import { afterAll, beforeAll, describe, it } from "vitest";
import { answerOf, assertGolden, GOLDEN_CASES } from "./golden-networks.ts";

const isEmulated = useSoftwareVulkan();
/** In software a UNet takes a minute: five frames are enough to pass through every layer. */
const CASES = GOLDEN_CASES.filter(({ what }) => what !== "unet_f16" || !isEmulated);
/** For all shaders of a UNet to be compiled and run on cores that have other work. */
const SOFTWARE_TIMEOUT_MS = 900_000;
const reason = (await probeDevices()).find(({ device }) => device === "webgpu")?.reason;
const title = referenceTitle("webgpu on golden data");
let model: OpenedModel;
let runtime: Runtime;

describe.skipIf(!hasReference || reason !== undefined)(
  reason === undefined ? title : `${title} (skipped: ${reason})`,
  () => {
    beforeAll(async () => {
      model = await openModel(reference("model"));
      runtime = await createOnnxRuntime({ device: "webgpu" });
    });
    afterAll(async () => {
      await runtime[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
    });

    it.each(CASES)(
      "$what: float32 within 1e-4",
      async (example) => {
        assertGolden(await answerOf(example, { model, runtime, precision: "float32" }), example);
      },
      SOFTWARE_TIMEOUT_MS,
    );
  },
);
