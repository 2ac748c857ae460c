/** Worker thread: aligns and restores one face at a time. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import {
  type AlignWorkerData,
  type AlignWorkerReply,
  type AlignWorkerRequest,
  toPlainError,
} from "./align-messages.ts";
import { FaceCropper } from "./face-crop.ts";
import { FacePaster } from "./face-paste.ts";

function serve(port: MessagePort, { resolution }: AlignWorkerData): void {
  let cropper: FaceCropper | undefined;
  let paster: FacePaster | undefined;

  function answer(request: AlignWorkerRequest): AlignWorkerReply {
    const { background, matrix } = request;
    if (request.kind === "align") {
      cropper ??= new FaceCropper(resolution);
      return { pixels: cropper.align(background, matrix) };
    }
    paster ??= new FacePaster(resolution);
    paster.restore(request.face, background, matrix);
    return { pixels: background.data as Uint8Array<ArrayBuffer> };
  }

  port.on("message", (request: AlignWorkerRequest) => {
    try {
      const reply = answer(request);
      port.postMessage(reply, "pixels" in reply ? [reply.pixels.buffer] : []);
    } catch (error) {
      port.postMessage({ error: toPlainError(error) } satisfies AlignWorkerReply);
    }
  });
}

if (parentPort !== null) serve(parentPort, workerData as AlignWorkerData);
