import { AVMEDIA_TYPE_AUDIO, FF_ENCODER_FFV1 } from "node-av/constants";
import { Codec, CodecContext, Frame, Packet } from "node-av/lib";
import { describe, expect, it } from "vitest";
import { createFfmpegVideoSink, probeVideo, type VideoCodec } from "../src/ffmpeg/index.ts";
import { MediaInput } from "../src/ffmpeg/media-input.ts";
import { check, copyVideo, useFolder, writeVideo, writeWav } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const FRAMES = 50;

interface Sound {
  readonly codec: string;
  readonly sampleRateHz: number;
  readonly channels: number;
  /** Time of the first sample in seconds. */
  readonly startSeconds: number;
  /** First channel. */
  readonly samples: Float32Array;
}

/** Decodes the sound of a file as a player hears it. */
async function listen(path: string): Promise<Sound> {
  await using input = await MediaInput.open(path);
  const stream = input.bestStream(AVMEDIA_TYPE_AUDIO);
  if (!stream) throw new Error("no sound");
  const codec = Codec.findDecoder(stream.codecpar.codecId);
  using context = new CodecContext();
  context.allocContext3(codec);
  check(context.parametersToContext(stream.codecpar));
  context.pktTimebase = stream.timeBase;
  check(await context.open2(codec, null));
  using packet = new Packet();
  packet.alloc();
  using frame = new Frame();
  frame.alloc();
  const samples: number[] = [];
  let start = Number.NaN;
  for (let ended = false; !ended;) {
    ended = (await input.context.readFrame(packet)) < 0;
    if (!ended && packet.streamIndex !== stream.index) {
      packet.unref();
      continue;
    }
    await context.sendPacket(ended ? null : packet);
    packet.unref();
    while ((await context.receiveFrame(frame)) >= 0) {
      if (Number.isNaN(start)) start = Number(frame.pts) * stream.timeBase.toDouble();
      samples.push(...firstChannel(frame));
      frame.unref();
    }
  }
  return {
    codec: codec?.name ?? "",
    sampleRateHz: stream.codecpar.sampleRate,
    channels: stream.codecpar.channelLayout.nbChannels,
    startSeconds: start,
    samples: Float32Array.from(samples),
  };
}

/** Planar float, or 16-bit integers. */
function firstChannel(frame: Frame): number[] {
  const plane = frame.extendedData?.[0] ?? frame.data?.[0];
  if (!plane) throw new Error("no samples");
  const planarFloat = 8;
  const step = frame.format === planarFloat ? 4 : 2 * frame.channelLayout.nbChannels;
  return Array.from({ length: frame.nbSamples }, (_, index) =>
    frame.format === planarFloat
      ? plane.readFloatLE(index * step)
      : plane.readInt16LE(index * step) / 32_768,
  );
}

/** A short beep at every half second: where it starts is where the sound turns loud. */
function beeps(sampleRateHz: number): (index: number) => number {
  return (index) => {
    const phase = (index / sampleRateHz + 0.25) % 0.5;
    return phase < 0.05 ? 0.8 * Math.sin((2 * Math.PI * 900 * index) / sampleRateHz) : 0;
  };
}

/** Times at which it turns loud, in seconds. */
function onsets(sound: Sound): number[] {
  const times: number[] = [];
  let last = -1;
  for (const [index, sample] of sound.samples.entries()) {
    if (Math.abs(sample) < 0.2) continue;
    const time = sound.startSeconds + index / sound.sampleRateHz;
    if (time - last > 0.2) times.push(time);
    last = time;
  }
  return times;
}

async function mux(name: string, codec: VideoCodec, audioPath: string): Promise<string> {
  const input = await writeVideo({
    path: file(`pictures-${name}.mkv`),
    encoder: FF_ENCODER_FFV1,
    format: "yuv420p",
    width: 64,
    height: 64,
    frameCount: FRAMES,
    pattern: () => 100,
  });
  const preset = codec === "vp9" ? "realtime" : "ultrafast";
  const sink = createFfmpegVideoSink({ codec, preset });
  return await copyVideo(input, { sink, path: file(name), audioPath });
}

async function speech(sampleRateHz: number, channels: number, seconds: number): Promise<string> {
  return writeWav(file(`${sampleRateHz}-${channels}-${seconds}.wav`), {
    sampleRateHz,
    channels,
    seconds,
    sample: beeps(sampleRateHz),
  });
}

const EXPECTED_ONSETS = [0.25, 0.75, 1.25, 1.75];

function expectInSync(sound: Sound): void {
  const times = onsets(sound);
  expect(times).toHaveLength(EXPECTED_ONSETS.length);
  for (const [index, time] of times.entries()) {
    expect(Math.abs(time - (EXPECTED_ONSETS[index] ?? 0))).toBeLessThan(0.01);
  }
}

describe("encoded sound", () => {
  it.each([
    ["mono16k.mp4", "h264", 16_000, 1, "aac", 16_000],
    ["stereo44k.mp4", "h264", 44_100, 2, "aac", 44_100],
    ["mono8k.mov", "hevc", 8000, 1, "pcm_s16le", 8000],
    ["odd-rate.mp4", "h264", 37_800, 1, "aac", 48_000],
    ["stereo48k.webm", "vp9", 48_000, 2, "opus", 48_000],
    ["mono16k.webm", "vp9", 16_000, 1, "opus", 48_000],
    ["pcm.mkv", "ffv1", 16_000, 2, "pcm_s16le", 16_000],
  ] as const)("in %s (%s) is in sync and as long as the pictures", async (...row) => {
    const [name, codec, rate, channels, expectedCodec, expectedRate] = row;
    const output = await mux(name, codec, await speech(rate, channels, 3));
    const sound = await listen(output);
    expect(sound).toMatchObject({
      codec: expectedCodec,
      sampleRateHz: expectedRate,
      channels,
    });
    expectInSync(sound);
    const seconds = sound.startSeconds + sound.samples.length / sound.sampleRateHz;
    expect(Math.abs(seconds - FRAMES / 25)).toBeLessThan(0.03);
    expect((await probeVideo(output)).durationSeconds).toBeCloseTo(FRAMES / 25, 1);
  });

  it("that is shorter than the pictures ends by itself", async () => {
    const sound = await listen(await mux("short.mp4", "h264", await speech(16_000, 1, 1.2)));
    expect(sound.samples.length / 16_000).toBeGreaterThan(1.19);
    expect(sound.samples.length / 16_000).toBeLessThan(1.3);
  });
});

describe("copied sound", () => {
  it.each([
    ["again.mp4", "h264"],
    ["again.mkv", "h264"],
    ["again.mov", "h264"],
  ] as const)("stays as it is and in sync in %s", async (name, codec) => {
    const encoded = await mux(`source-of-${name}.mp4`, "h264", await speech(44_100, 2, 3));
    const original = await listen(encoded);
    const copied = await listen(await mux(name, codec, encoded));
    expect(copied).toMatchObject({ codec: "aac", sampleRateHz: 44_100, channels: 2 });
    expectInSync(copied);
    // The same packets decode to the same samples.
    const shift = copied.samples.findIndex((value) => value !== 0);
    const first = original.samples.findIndex((value) => value !== 0);
    const length = 40_000;
    expect(copied.samples.subarray(shift, shift + length)).toEqual(
      original.samples.subarray(first, first + length),
    );
  });

  it("is cut to the pictures", async () => {
    const long = await speech(16_000, 1, 3);
    const output = await mux("cut.mkv", "ffv1", long);
    const sound = await listen(output);
    expect(sound.codec).toBe("pcm_s16le");
    expect(Math.abs(sound.samples.length / 16_000 - 2)).toBeLessThan(0.001);
  });
});
