/** Worker thread of the MediaPipe detector: TensorFlow.js blocks the thread that it runs on. */
import { parentPort, workerData } from "node:worker_threads";
import { LatentSyncError } from "@ls/core";
import { FaceFinder } from "./face-finder.ts";
import type {
  DetectRequest,
  MediaPipeFailure,
  MediaPipeReply,
  MediaPipeWorkerData,
} from "./mediapipe-messages.ts";
import { mouthOf } from "./mouth.ts";
import { loadTensorFlow, packagedModelFolder } from "./tensorflow.ts";

function describeFailure(error: unknown): MediaPipeFailure {
  const isOurs = LatentSyncError.is(error);
  const cause = isOurs ? error.cause : error;
  return {
    kind: "failure",
    code: isOurs ? error.code : "runtime",
    message: isOurs ? error.message : "The MediaPipe face detector failed.",
    hint: isOurs ? error.hint : undefined,
    cause: cause instanceof Error ? cause.message : undefined,
  };
}

async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("This file is the entry of a worker thread.");
  const reply = (message: MediaPipeReply, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  try {
    const { backend, modelFolder, finder } = workerData as MediaPipeWorkerData;
    const tensorflow = await loadTensorFlow(backend);
    const faces = await FaceFinder.load(tensorflow, modelFolder ?? packagedModelFolder(), finder);
    port.on("message", ({ part, frameIndex }: DetectRequest) => {
      try {
        const isWhole = part.width === part.frameWidth && part.height === part.frameHeight;
        const found = isWhole ? faces.find(part, frameIndex) : faces.follow(part, frameIndex);
        const measured = found?.map(({ box, score, points, landmarks }) => ({
          box,
          score,
          points,
          mouth: mouthOf(landmarks),
        }));
        const { nextRegion } = faces;
        const pixels = part.data.buffer;
        reply({ kind: "faces", faces: measured, nextRegion, pixels }, [pixels]);
      } catch (error) {
        reply(describeFailure(error));
      }
    });
    reply({ kind: "ready", backend: tensorflow.getBackend() });
  } catch (error) {
    reply(describeFailure(error));
  }
}

await serve();
