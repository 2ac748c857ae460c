// POST {"video", "audio", "output"} (paths on this machine); answers with events, one JSON a line.
import { createServer, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createSpeechEncoder } from "@ls/audio";
import { LatentSync, type LipSyncRequest } from "@ls/core";
import { demoModelFolder } from "@ls/demo-model";
import { openModel } from "@ls/models";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import * as video from "@ls/video";

const model = await openModel(process.env["MODEL"] ?? demoModelFolder());
const engine = await LatentSync.load({
  model,
  runtime: await createOnnxRuntime(),
  speech: createSpeechEncoder({ audioFeatureLength: model.info.audioFeatureLength }),
  source: video.createFfmpegVideoSource(),
  sink: video.createFfmpegVideoSink(),
  detector: await video.createMediaPipeDetector(),
  aligner: video.createFaceAligner({ resolution: model.info.resolution }),
});
async function* lines(request: IncomingMessage): AsyncGenerator<string> {
  try {
    const job = (await json(request)) as LipSyncRequest;
    for await (const event of engine.run(job)) yield `${JSON.stringify(event)}\n`;
  } catch (error) {
    yield `${JSON.stringify({ type: "error", message: String(error) })}\n`;
  }
}
// A client that goes away ends the generator, and with it the run.
const server = createServer((request, response) => {
  pipeline(lines(request), response).catch(() => response.destroy());
});
server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () => {
  console.log(JSON.stringify(server.address()));
});
