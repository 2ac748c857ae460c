/** Frames of a media file as RGB, through node-av alone. */
import type { RgbImage } from "@ls/core";
import { Decoder, Demuxer, Scaler } from "node-av/api";

/** Every `step`-th frame, at most `count`. */
export async function decodedFrames(path: string, count: number, step = 1): Promise<RgbImage[]> {
  await using input = await Demuxer.open(path);
  const stream = input.video();
  if (stream === undefined) throw new Error(`${path} has no video.`);
  using decoder = await Decoder.create(stream);
  using scaler = new Scaler();
  const images: RgbImage[] = [];
  let index = 0;
  for await (using frame of decoder.frames(input.packets(stream.index))) {
    if (frame === null) break;
    if (index++ % step !== 0) continue;
    const data = await scaler.toBuffer(frame, { format: "rgb" });
    images.push({ width: frame.width, height: frame.height, data: new Uint8Array(data) });
    if (images.length === count) break;
  }
  return images;
}
