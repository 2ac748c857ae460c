// POST {"video", "audio", "output"} (paths on this machine); answers with events, one JSON a line.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { createSpeechEncoder } from "@ls/audio";
import { LatentSync, type LipSyncRequest } from "@ls/core";
import { openModel } from "@ls/models";
import { createOnnxRuntime } from "@ls/runtime-onnx";
import * as video from "@ls/video";

const model = await openModel(process.env["MODEL"] ?? "latentsync-1.6");
const engine = await LatentSync.load({
  model,
  runtime: await createOnnxRuntime(),
  speech: createSpeechEncoder({ audioFeatureLength: model.info.audioFeatureLength }),
  source: video.createFfmpegVideoSource(),
  sink: video.createFfmpegVideoSink(),
  detector: await video.createMediaPipeDetector(),
  aligner: video.createFaceAligner({ resolution: model.info.resolution }),
});
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  try {
    const job = (await json(request)) as LipSyncRequest;
    for await (const event of engine.run({ ...job, signal: gone.signal })) {
      response.write(`${JSON.stringify(event)}\n`);
    }
  } catch (error) {
    response.write(`${JSON.stringify({ type: "error", message: String(error) })}\n`);
  }
  response.end();
}
const server = createServer((request, response) => void answer(request, response));
server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () => {
  console.log(JSON.stringify(server.address()));
});
