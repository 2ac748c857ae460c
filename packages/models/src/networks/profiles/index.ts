import { type GraphProfile, LatentSyncError } from "@ls/core";
import { cpuEmitters } from "./cpu.ts";
import { cudaEmitters } from "./cuda.ts";
import type { Emitters } from "./emitters.ts";
import { openVinoEmitters } from "./openvino.ts";
import { standardEmitters } from "./standard.ts";
import { webgpuEmitters } from "./webgpu.ts";

const PROFILES: Readonly<Record<GraphProfile, Emitters>> = {
  cpu: cpuEmitters,
  cuda: cudaEmitters,
  webgpu: webgpuEmitters,
  tensorrt: standardEmitters,
  openvino: openVinoEmitters,
};

/** The operators of a profile. @throws LatentSyncError `unsupported` for an unknown one. */
export function emittersOf(profile: GraphProfile): Emitters {
  const emitters = (PROFILES as Readonly<Record<string, Emitters | undefined>>)[profile];
  if (emitters === undefined) {
    throw new LatentSyncError("unsupported", `There is no graph profile named ${profile}.`, {
      hint: `Use one of ${Object.keys(PROFILES).join(", ")}.`,
    });
  }
  return emitters;
}
