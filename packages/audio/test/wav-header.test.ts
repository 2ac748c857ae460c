import { describe, expect, test } from "vitest";
import { openSoundFile } from "../src/sound-file.ts";
import { decodeSpeech } from "../src/speech-decoder.ts";
import { readWavHeader, type WavHeader } from "../src/wav-header.ts";
import {
  collect,
  expectFailure,
  temporaryFolder,
  type WavFields,
  wavFile,
  writeFixture,
} from "./fixtures.ts";

const folder = temporaryFolder();

async function headerOf(bytes: Buffer): Promise<WavHeader | undefined> {
  const file = await openSoundFile(await writeFixture(folder, "header.wav", bytes));
  try {
    return await readWavHeader(file);
  } finally {
    await file.handle.close();
  }
}

describe("headers that are read", () => {
  test.each(["RIFF", "RIFX", "RF64", "BW64"] as const)("%s", async (container) => {
    const fields: WavFields = { container, channels: 2, sampleRateHz: 48_000, bitsPerSample: 24 };
    expect(await headerOf(wavFile(Buffer.alloc(600), fields))).toMatchObject({
      container,
      encoding: "int24",
      channels: 2,
      sampleRateHz: 48_000,
      bytesPerFrame: 6,
      channelMask: 0,
      dataBytes: 600,
    });
  });

  test("an extensible header, with other chunks before the sound", async () => {
    const bytes = wavFile(Buffer.alloc(80), {
      formatTag: 3,
      bitsPerSample: 32,
      channels: 2,
      channelMask: 3,
      extraChunks: [
        { name: "LIST", body: Buffer.alloc(7) },
        { name: "bext", body: Buffer.alloc(5000) },
      ],
    });
    expect(await headerOf(bytes)).toMatchObject({
      formatTag: 3,
      encoding: "float32",
      channelMask: 3,
      dataBytes: 80,
    });
  });

  test("12 bits lie in 16, and 20 in 24", async () => {
    const twelve = await headerOf(wavFile(Buffer.alloc(8), { bitsPerSample: 12 }));
    expect(twelve?.encoding).toBe("int16");
    const twenty = await headerOf(wavFile(Buffer.alloc(9), { bitsPerSample: 20 }));
    expect(twenty?.encoding).toBe("int24");
  });

  test("a codec of its own has no encoding", async () => {
    expect(
      (await headerOf(wavFile(Buffer.alloc(8), { formatTag: 0x11 })))?.encoding,
    ).toBeUndefined();
  });

  test.each([
    ["FFmpeg into a pipe", { dataBytes: 0xffff_ffff, riffBytes: 0xffff_ffff }],
    ["SoX into a pipe", { dataBytes: 0x7fff_f000, riffBytes: 0x7fff_f024 }],
    ["arecord", { dataBytes: 0x8000_0000, riffBytes: 0x8000_0024 }],
    ["a recorder that was cut off before it wrote lengths", { dataBytes: 0, riffBytes: 0 }],
  ])("a length left open by %s means: to the end", async (_who, fields) => {
    expect((await headerOf(wavFile(Buffer.alloc(64), fields)))?.dataBytes).toBe(64);
  });

  test("the part of a sample that the file ends with is left out", async () => {
    expect((await headerOf(wavFile(Buffer.alloc(67), { channels: 2 })))?.dataBytes).toBe(64);
    expect((await headerOf(wavFile(Buffer.alloc(66), { dataBytes: 67 })))?.dataBytes).toBe(66);
  });

  test("bytes behind the data chunk are no sound", async () => {
    const bytes = Buffer.concat([
      wavFile(Buffer.alloc(64)),
      Buffer.from("LIST\x04\0\0\0abcd", "latin1"),
    ]);
    expect((await headerOf(bytes))?.dataBytes).toBe(64);
  });

  test("other RIFF files and other files are not WAVE files", async () => {
    expect(await headerOf(Buffer.from("RIFF\x10\0\0\0AVI LIST", "latin1"))).toBeUndefined();
    expect(await headerOf(Buffer.from("fLaC", "latin1"))).toBeUndefined();
    expect(await headerOf(Buffer.from("RIFF", "latin1"))).toBeUndefined();
  });
});

describe("headers that are refused", () => {
  const sound = Buffer.alloc(64);
  test.each<[string, RegExp, Buffer]>([
    [
      "no channels",
      /claims 0 channels; 1 to 64 work/,
      wavFile(sound, { channels: 0, bytesPerFrame: 2 }),
    ],
    ["65 channels", /claims 65 channels/, wavFile(sound, { channels: 65 })],
    ["rate zero", /rate of 0 Hz; 100 to 1536000 work/, wavFile(sound, { sampleRateHz: 0 })],
    ["an absurd rate", /rate of 4000000000 Hz/, wavFile(sound, { sampleRateHz: 4e9 })],
    [
      "no frame size",
      /0 bytes for 1 int16 samples instead of 2/,
      wavFile(sound, { bytesPerFrame: 0 }),
    ],
    [
      "a wrong frame size",
      /5 bytes for 2 int16/,
      wavFile(sound, { channels: 2, bytesPerFrame: 5 }),
    ],
    ["no fmt chunk", /no fmt chunk before the data chunk/, wavFile(sound, { withoutFormat: true })],
    ["neither chunk", /no fmt chunk/, wavFile(sound, { withoutFormat: true, withoutData: true })],
    ["no data chunk", /no data chunk/, wavFile(sound, { withoutData: true })],
    ["nothing but the RIFF header", /no fmt chunk/, wavFile(sound).subarray(0, 12)],
    ["a cut fmt chunk", /fmt chunk has 4 bytes instead of 16/, wavFile(sound).subarray(0, 24)],
    [
      "a claim of 4 GB",
      /claims 4294967000 bytes of sound, but 64 are there: the file is cut off/,
      wavFile(sound, { dataBytes: 4_294_967_000 }),
    ],
    ["a cut file", /claims 64 bytes of sound, but 20 are there/, wavFile(sound).subarray(0, 64)],
    [
      "a cut RF64 file",
      /claims 5000000000 bytes/,
      wavFile(sound, { container: "RF64", dataBytes: 5e9 }),
    ],
    ["no sound", /no whole sample/, wavFile(Buffer.alloc(0))],
    [
      "an open length and no sound",
      /no whole sample/,
      wavFile(Buffer.alloc(0), { dataBytes: 0xffff_ffff }),
    ],
    ["one byte of sound", /no whole sample/, wavFile(Buffer.alloc(1))],
    [
      "a short extensible header",
      /extensible fmt chunk has 16 bytes instead of 40/,
      wavFile(sound, { formatTag: 0xfffe }),
    ],
    [
      "a big-endian codec",
      /codec 17 is not read from big-endian/,
      wavFile(sound, { container: "RIFX", formatTag: 0x11 }),
    ],
    [
      "endless empty chunks",
      /no fmt chunk/,
      Buffer.concat([
        wavFile(sound).subarray(0, 12),
        Buffer.from("junk\0\0\0\0".repeat(12_000), "latin1"),
      ]),
    ],
  ])("%s", async (_what, message, bytes) => {
    const path = await writeFixture(folder, "broken.wav", bytes);
    const error = await expectFailure(collect(decodeSpeech(path)), "invalid_media", message);
    expect(error.message).toContain(path);
    expect(error.hint).toBeTruthy();
  });
});
