/**
 * OpenVINO's CPU device: ONNX's own operators in PyTorch's layout, out of which it makes its fused
 * ones by itself (attention without scores in memory, a norm with its activation, GELU). GEGLU is two
 * matrix products, since splitting the result of one is a copy there.
 */
import { splitGeglu } from "./cpu.ts";
import type { Emitters } from "./emitters.ts";
import { standardEmitters } from "./standard.ts";

export const openVinoEmitters: Emitters = {
  ...standardEmitters,
  gelu: (net, x) => net.graph.op("Gelu", [x]),
  geglu: splitGeglu,
};
