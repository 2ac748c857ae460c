import { fileURLToPath } from "node:url";
import { processEndConformance } from "@ls/testing/conformance";
import { probeOpenVino } from "../src/index.ts";

const program = fileURLToPath(new URL("./fixtures/process.ts", import.meta.url));
const { reason } = await probeOpenVino();

processEndConformance("the openvino runtime", program, { skip: reason });
