import { Encoder, Muxer } from "node-av/api";
import { AV_PIX_FMT_YUV420P } from "node-av/constants";
import { Frame } from "node-av/lib";

/** Writes a video of a few grey frames and no sound. */
export async function ffmpegVideo(path: string): Promise<void> {
  const width = 64;
  const height = 48;
  const frame = (index: number): Frame =>
    Frame.fromVideoBuffer(Buffer.alloc((width * height * 3) / 2, 128), {
      width,
      height,
      format: AV_PIX_FMT_YUV420P,
      pts: BigInt(index),
      timeBase: { num: 1, den: 25 },
    });
  using encoder = await Encoder.create("ffv1" as Parameters<typeof Encoder.create>[0]);
  await using output = await Muxer.open(path);
  const index = output.addStream(encoder);
  const frames = (async function* generate(): AsyncGenerator<Frame | null> {
    for (let position = 0; position < 3; position++) yield frame(position);
    yield null;
  })();
  for await (const packet of encoder.packets(frames)) {
    if (packet === null) continue;
    using _ = packet;
    await output.writePacket(packet, index);
  }
}
