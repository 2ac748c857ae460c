import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { float32, LatentSyncError, type LatentSyncErrorCode, type Session } from "@ls/core";
import { difference } from "@ls/testing";
import { Decoder, Demuxer, Encoder, FilterAPI, Muxer } from "node-av/api";
import { AV_LOG_QUIET } from "node-av/constants";
import { type Frame, Log } from "node-av/lib";
import { afterAll, expect } from "vitest";

// What FFmpeg thinks of broken files is expected here, and long.
Log.setLevel(AV_LOG_QUIET);

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "latentsync-audio-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function collect(blocks: AsyncIterable<Float32Array>): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const block of blocks) parts.push(block);
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Expects a LatentSyncError with this code whose message matches, and returns it. */
export async function expectFailure(
  promise: Promise<unknown>,
  code: LatentSyncErrorCode,
  message: RegExp,
): Promise<LatentSyncError> {
  const error: unknown = await promise.then(
    () => expect.fail("It did not fail."),
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw error;
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
  return error;
}

/** Expects equal samples, without printing thousands of them. */
export function expectSameSamples(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const { maxAbsolute, worstIndex } = difference(actual, expected);
  expect({ maxAbsolute, worstIndex }).toEqual({ maxAbsolute: 0, worstIndex: 0 });
}

/** Deterministic sound with low and high parts, different in every channel; interleaved, in [-0.8, 0.8]. */
export function chord(options: {
  readonly sampleRateHz: number;
  readonly channels: number;
  readonly seconds: number;
}): Float64Array {
  const { sampleRateHz, channels, seconds } = options;
  return Float64Array.from(
    { length: Math.round(sampleRateHz * seconds) * channels },
    (_, index) => {
      const time = Math.floor(index / channels) / sampleRateHz;
      const channel = index % channels;
      return (
        0.5 * Math.sin(2 * Math.PI * (180 + 90 * channel) * time) +
        0.3 * Math.sin(2 * Math.PI * (1100 + 310 * channel) * time * (1 + 0.1 * time))
      );
    },
  );
}

export interface WavFields {
  readonly container?: "RIFF" | "RIFX" | "RF64" | "BW64";
  readonly formatTag?: number;
  readonly channels?: number;
  readonly sampleRateHz?: number;
  readonly bitsPerSample?: number;
  readonly bytesPerFrame?: number;
  /** Writes an extensible header with this mask. */
  readonly channelMask?: number;
  readonly riffBytes?: number;
  readonly dataBytes?: number;
  /** Chunks between `fmt ` and `data`. */
  readonly extraChunks?: readonly { readonly name: string; readonly body: Buffer }[];
  readonly withoutFormat?: boolean;
  readonly withoutData?: boolean;
}

/** A WAVE file, written apart from the package's own code, with any field made to lie. */
export function wavFile(data: Buffer, fields: WavFields = {}): Buffer {
  const { container = "RIFF", channels = 1, sampleRateHz = 16_000, bitsPerSample = 16 } = fields;
  const bigEndian = container === "RIFX";
  const bytesPerFrame = fields.bytesPerFrame ?? channels * Math.ceil(bitsPerSample / 8);
  const numbers = (...items: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer =>
    Buffer.concat(
      items.map(([bytes, value]) => {
        const buffer = Buffer.alloc(bytes);
        if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value));
        else if (bigEndian) buffer.writeUIntBE(value, 0, bytes);
        else buffer.writeUIntLE(value, 0, bytes);
        return buffer;
      }),
    );
  const chunk = (name: string, body: Buffer, size = body.length): Buffer =>
    Buffer.concat([
      Buffer.from(name, "latin1"),
      numbers([4, size]),
      body,
      Buffer.alloc(body.length % 2),
    ]);
  const wide = container === "RF64" || container === "BW64";
  const tag = fields.formatTag ?? 1;
  const format = Buffer.concat([
    numbers(
      [2, fields.channelMask === undefined ? tag : 0xfffe],
      [2, channels],
      [4, sampleRateHz],
      [4, (sampleRateHz * bytesPerFrame) % 2 ** 32],
      [2, bytesPerFrame],
      [2, bitsPerSample],
    ),
    fields.channelMask === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([
          numbers([2, 22], [2, bitsPerSample], [4, fields.channelMask], [2, tag]),
          Buffer.from("000000001000800000aa00389b71", "hex"),
        ]),
  ]);
  const claimed = fields.dataBytes ?? data.length;
  const body = Buffer.concat([
    Buffer.from("WAVE", "latin1"),
    wide ? chunk("ds64", numbers([8, 0], [8, claimed], [8, 0], [4, 0])) : Buffer.alloc(0),
    fields.withoutFormat === true ? Buffer.alloc(0) : chunk("fmt ", format),
    ...(fields.extraChunks ?? []).map(({ name, body: extra }) => chunk(name, extra)),
    fields.withoutData === true
      ? Buffer.alloc(0)
      : chunk("data", data, wide ? 0xffff_ffff : claimed),
  ]);
  const riffBytes = fields.riffBytes ?? (wide ? 0xffff_ffff : body.length);
  return Buffer.concat([Buffer.from(container, "latin1"), numbers([4, riffBytes]), body]);
}

/** What FFmpeg's own filter graph makes of a file: the oracle for mixing, rate and rounding. */
export async function decodeByFilterGraph(path: string): Promise<Float32Array> {
  await using demuxer = await Demuxer.open(path);
  const stream = demuxer.audio();
  if (stream === undefined) throw new Error(`${path} has no sound.`);
  using decoder = await Decoder.create(stream, { exitOnError: false });
  using filter = FilterAPI.create(
    "aformat=sample_fmts=s16:sample_rates=16000:channel_layouts=mono",
  );
  const samples: number[] = [];
  for await (const frame of filter.frames(decoder.frames(demuxer.packets(stream.index)))) {
    if (frame === null) continue;
    using _ = frame;
    const bytes = frame.data?.[0] as Buffer;
    for (let index = 0; index < frame.nbSamples; index++) {
      samples.push(bytes.readInt16LE(2 * index) / 32_768);
    }
  }
  return Float32Array.from(samples);
}

/** Encodes a WAVE file into another format with FFmpeg. */
export async function transcode(
  wavPath: string,
  path: string,
  codec: string,
  filterChain: string,
): Promise<void> {
  await using input = await Demuxer.open(wavPath);
  const stream = input.audio();
  if (stream === undefined) throw new Error(`${wavPath} has no sound.`);
  using decoder = await Decoder.create(stream);
  using filter = FilterAPI.create(filterChain);
  using encoder = await Encoder.create(codec as Parameters<typeof Encoder.create>[0], {
    decoder,
    filter,
  });
  await using output = await Muxer.open(path);
  const index = output.addStream(encoder);
  const frames: AsyncIterable<Frame | null> = filter.frames(
    decoder.frames(input.packets(stream.index)),
  );
  for await (const packet of encoder.packets(frames)) {
    if (packet === null) continue;
    using _ = packet;
    await output.writePacket(packet, index);
  }
}

/** A Whisper encoder whose states are a function of the mel frames that they stand for. */
export class FakeWhisper implements Session {
  readonly inputs: Session["inputs"] = [{ name: "mel", dtype: "float32", dims: [1, 80, 3000] }];
  readonly outputs: Session["outputs"];
  readonly windows: Float32Array[] = [];
  readonly #embed: (mel: Float32Array, state: number, element: number, window: number) => number;
  readonly #layers: number;
  readonly #width: number;

  constructor(
    layers: number,
    width: number,
    embed: (mel: Float32Array, state: number, element: number, window: number) => number = (
      mel,
      state,
      element,
    ) => (mel[(element % 80) * 3000 + 2 * state] as number) + element,
  ) {
    this.#layers = layers;
    this.#width = width;
    this.#embed = embed;
    this.outputs = [{ name: "embeddings", dtype: "float32", dims: [1500, layers, width] }];
  }

  async run(
    feeds: Parameters<Session["run"]>[0],
    options?: Parameters<Session["run"]>[1],
  ): ReturnType<Session["run"]> {
    options?.signal?.throwIfAborted();
    const mel = feeds["mel"]?.data as Float32Array;
    expect(feeds["mel"]?.dims).toEqual([1, 80, 3000]);
    const window = this.windows.push(mel.slice()) - 1;
    const size = this.#layers * this.#width;
    const data = Float32Array.from({ length: 1500 * size }, (_, index) =>
      this.#embed(mel, Math.floor(index / size), index % size, window),
    );
    return { embeddings: float32([1500, this.#layers, this.#width], data) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export async function writeFixture(folder: string, name: string, bytes: Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}
