import {
  AV_CHANNEL_LAYOUT_MONO,
  AV_SAMPLE_FMT_FLTP,
  AVMEDIA_TYPE_AUDIO,
  AVMEDIA_TYPE_VIDEO,
  FF_ENCODER_FFV1,
  FF_ENCODER_LIBVORBIS,
} from "node-av/constants";
import { Codec, CodecContext, FormatContext, Frame, Packet, Rational } from "node-av/lib";
import { expect, it } from "vitest";
import { createFfmpegVideoSink } from "../src/ffmpeg/index.ts";
import { check, copyVideo, packetTimes, useFolder, writeVideo } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const RATE_HZ = 8000;
const SAMPLES = 12_000;

/** A second and a half of silence. */
async function writeVorbis(path: string): Promise<string> {
  const codec = Codec.findEncoderByName(FF_ENCODER_LIBVORBIS);
  using encoder = new CodecContext();
  encoder.allocContext3(codec);
  encoder.sampleRate = RATE_HZ;
  encoder.channelLayout = AV_CHANNEL_LAYOUT_MONO;
  encoder.sampleFormat = AV_SAMPLE_FMT_FLTP;
  encoder.timeBase = new Rational(1, RATE_HZ);
  check(await encoder.open2(codec, null));
  await using output = new FormatContext();
  check(output.allocOutputContext2(null, null, path));
  check(await output.openOutput());
  const stream = output.newStream();
  check(stream.codecpar.fromContext(encoder));
  stream.timeBase = encoder.timeBase;
  check(await output.writeHeader());
  using packet = new Packet();
  packet.alloc();
  for (let start = 0; start <= SAMPLES; start += encoder.frameSize) {
    using frame = new Frame();
    frame.alloc();
    frame.format = AV_SAMPLE_FMT_FLTP;
    frame.nbSamples = encoder.frameSize;
    frame.sampleRate = RATE_HZ;
    frame.channelLayout = encoder.channelLayout;
    check(frame.getBuffer(0));
    frame.data?.[0]?.fill(0);
    frame.pts = BigInt(start);
    check(encoder.sendFrameSync(start + encoder.frameSize <= SAMPLES ? frame : null));
    while (encoder.receivePacketSync(packet) >= 0) {
      packet.streamIndex = stream.index;
      packet.rescaleTs(encoder.timeBase, stream.timeBase);
      check(await output.interleavedWriteFrame(packet));
    }
  }
  check(await output.writeTrailer());
  await output.closeOutput();
  return path;
}

it.each(["sound.ogg", "sound.mkv"])("starts with what is heard of Vorbis in %s", async (name) => {
  const input = await writeVideo({
    path: file("input.mkv"),
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 64,
    frameCount: 25,
  });
  const output = await copyVideo(input, {
    sink: createFfmpegVideoSink({ codec: "ffv1" }),
    path: file("output.mkv"),
    audioPath: await writeVorbis(file(name)),
  });
  const [[picture] = [Number.NaN]] = await packetTimes(output, AVMEDIA_TYPE_VIDEO);
  // The first packet decodes to nothing.
  const [, [heard] = [Number.NaN]] = await packetTimes(output, AVMEDIA_TYPE_AUDIO);
  expect(Math.abs(heard - picture)).toBeLessThan(0.0015);
});
