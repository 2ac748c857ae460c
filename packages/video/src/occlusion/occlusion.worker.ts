/** Worker thread of the occlusion detector: TensorFlow.js blocks the thread that it runs on. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { LatentSyncError } from "@ls/core";
import { loadTensorFlow, packagedModelFolder } from "../faces/tensorflow.ts";
import { findCovers } from "./cover-finder.ts";
import { HandNetwork } from "./hand-network.ts";
import type {
  OcclusionFailure,
  OcclusionReply,
  OcclusionRequest,
  OcclusionWorkerData,
} from "./occlusion-messages.ts";

async function loadNetwork({ modelFolder }: OcclusionWorkerData): Promise<HandNetwork> {
  const tensorflow = await loadTensorFlow("wasm");
  return await HandNetwork.load(tensorflow, modelFolder ?? packagedModelFolder());
}

function describeFailure(error: unknown): OcclusionFailure {
  if (LatentSyncError.is(error)) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  const reason = error instanceof Error ? error.message : String(error);
  return {
    code: "runtime",
    message: `Occlusion detector: ${reason}`,
    hint: "Run without occlusion detection, and report it with the message above.",
  };
}

function serve(port: MessagePort): void {
  let network: Promise<HandNetwork> | undefined;

  async function answer({ faces, resolution }: OcclusionRequest): Promise<OcclusionReply> {
    try {
      network ??= loadNetwork(workerData as OcclusionWorkerData);
      return { covers: findCovers(await network, faces, resolution) };
    } catch (error) {
      return { failure: describeFailure(error) };
    }
  }

  port.on("message", (request: OcclusionRequest) => {
    void answer(request).then((reply) => {
      const covers = "covers" in reply ? reply.covers : [];
      const buffers = covers.flatMap((cover) => (cover === undefined ? [] : [cover.buffer]));
      port.postMessage(reply, buffers);
    });
  });
}

if (parentPort !== null) serve(parentPort);
