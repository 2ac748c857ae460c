/** Worker thread of the MediaPipe detector: TensorFlow.js blocks the thread that it runs on. */
import { parentPort, workerData } from "node:worker_threads";
import { LatentSyncError } from "@ls/core";
import { AppearanceNetwork } from "./face-appearance.ts";
import { FaceFinder, type FoundFace } from "./face-finder.ts";
import type {
  DetectRequest,
  MediaPipeFace,
  MediaPipeFailure,
  MediaPipeReply,
  MediaPipeWorkerData,
} from "./mediapipe-messages.ts";
import { mouthOf } from "./mouth.ts";
import { loadTensorFlow, packagedModelFolder, type TensorFlow } from "./tensorflow.ts";

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

async function loadFinder(
  tensorflow: TensorFlow,
  { modelFolder = packagedModelFolder(), finder, measureAppearance }: MediaPipeWorkerData,
): Promise<FaceFinder> {
  const appearance = measureAppearance
    ? await AppearanceNetwork.load(tensorflow, modelFolder)
    : undefined;
  return await FaceFinder.load(tensorflow, modelFolder, finder, appearance);
}

function withoutLandmarks(found: FoundFace): MediaPipeFace {
  const { box, score, points, landmarks, mouthOpening, appearance } = found;
  const face = { box, score, points, mouth: mouthOf(landmarks), mouthOpening };
  return appearance === undefined ? face : { ...face, appearance };
}

async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("This file is the entry of a worker thread.");
  const reply = (message: MediaPipeReply, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);
  try {
    const data = workerData as MediaPipeWorkerData;
    const tensorflow = await loadTensorFlow(data.backend);
    const faces = await loadFinder(tensorflow, data);
    port.on("message", ({ part, frameIndex }: DetectRequest) => {
      try {
        const isWhole = part.width === part.frameWidth && part.height === part.frameHeight;
        const found = isWhole ? faces.find(part, frameIndex) : faces.follow(part, frameIndex);
        const measured = found?.map(withoutLandmarks);
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
