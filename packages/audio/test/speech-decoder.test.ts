import { open, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeSpeech, probeSound } from "../src/speech-decoder.ts";
import { WaveFile } from "../src/wave-file.ts";
import {
  chord,
  collect,
  decodeByFilterGraph,
  expectFailure,
  expectSameSamples,
  temporaryFolder,
  transcode,
  wavFile,
  writeFixture,
} from "./fixtures.ts";

const folder = temporaryFolder();

/** Interleaved samples in [-1, 1] as a WAVE file by wavefile. */
function waveBytes(
  samples: Float64Array,
  channels: number,
  sampleRateHz: number,
  bitDepth: string,
  container = "RIFF",
): Buffer {
  const scale = { "8": 127, "16": 32_767, "24": 8_388_607, "32": 2_147_483_647 }[bitDepth];
  const values = samples.map((sample) =>
    scale === undefined ? sample : Math.round(sample * scale) + (bitDepth === "8" ? 128 : 0),
  );
  const perChannel = Array.from({ length: channels }, (_, channel) =>
    values.filter((_value, index) => index % channels === channel),
  );
  const wave = new WaveFile();
  wave.fromScratch(channels, sampleRateHz, bitDepth, channels === 1 ? values : perChannel, {
    container,
  });
  return Buffer.from(wave.toBuffer());
}

describe("WAVE files", () => {
  test("16-bit mono at 16 kHz comes out bit for bit", async () => {
    const samples = Int16Array.of(0, 1, -1, 32_767, -32_768, 1234);
    const path = await writeFixture(folder, "exact.wav", wavFile(Buffer.from(samples.buffer)));
    expect([...(await collect(decodeSpeech(path)))]).toEqual(
      [...samples].map((sample) => sample / 32_768),
    );
  });

  const shapes = [
    [1, 16_000],
    [2, 44_100],
    [6, 8000],
  ] as const;

  test.each(["8", "16", "24", "32", "32f", "64"])(
    "%s bits decode as FFmpeg decodes them, and big-endian ones alike",
    async (bitDepth) => {
      for (const [channels, sampleRateHz] of shapes) {
        const samples = chord({ sampleRateHz, channels, seconds: 0.2 });
        const bytes = waveBytes(samples, channels, sampleRateHz, bitDepth);
        const path = await writeFixture(folder, `${bitDepth}-${channels}.wav`, bytes);
        const decoded = await collect(decodeSpeech(path));
        expectSameSamples(decoded, await decodeByFilterGraph(path));
        expect(decoded).toHaveLength(3200);
        expect(Math.max(...decoded)).toBeGreaterThan(0.2);
        // FFmpeg takes the samples of RIFX files for little-endian ones.
        const swapped = waveBytes(samples, channels, sampleRateHz, bitDepth, "RIFX");
        expect(swapped.toString("latin1", 0, 4)).toBe("RIFX");
        const big = await writeFixture(folder, `${bitDepth}-${channels}-big.wav`, swapped);
        expectSameSamples(await collect(decodeSpeech(big)), decoded);
        expect((await probeSound(big)).codec).toMatch(bitDepth === "8" ? /u8$/ : /be$/);
      }
    },
  );

  test.each([
    ["alaw", 6],
    ["mulaw", 7],
  ])("%s decodes as FFmpeg decodes it", async (codec, formatTag) => {
    const data = Buffer.from(Uint8Array.from({ length: 2048 }, (_, index) => index % 256));
    const fields = { formatTag, bitsPerSample: 8, channels: 2 };
    const path = await writeFixture(folder, `${codec}.wav`, wavFile(data, fields));
    expectSameSamples(await collect(decodeSpeech(path)), await decodeByFilterGraph(path));
    expect((await probeSound(path)).codec).toBe(`pcm_${codec}`);
  });

  test.each([8000, 11_025, 22_050, 32_000, 48_000, 96_000, 192_000])(
    "%d Hz is resampled as FFmpeg resamples it",
    async (sampleRateHz) => {
      const samples = chord({ sampleRateHz, channels: 1, seconds: 0.5 });
      const bytes = waveBytes(samples, 1, sampleRateHz, "16");
      const path = await writeFixture(folder, `rate-${sampleRateHz}.wav`, bytes);
      expectSameSamples(await collect(decodeSpeech(path)), await decodeByFilterGraph(path));
    },
  );

  test("the speaker positions of an extensible header decide the mix", async () => {
    const frames = Int16Array.from({ length: 1600 * 4 }, (_, index) =>
      index % 4 === 2 ? 8000 : 0,
    );
    const data = Buffer.from(frames.buffer);
    // Channel 2 of 4 is the centre in one mask and the low-frequency channel in the other.
    const centre = await writeFixture(
      folder,
      "a.wav",
      wavFile(data, { channels: 4, channelMask: 0x107 }),
    );
    const low = await writeFixture(
      folder,
      "b.wav",
      wavFile(data, { channels: 4, channelMask: 0x10b }),
    );
    expectSameSamples(await collect(decodeSpeech(centre)), await decodeByFilterGraph(centre));
    expect((await collect(decodeSpeech(centre)))[0]).toBeGreaterThan(0.05);
    expect((await collect(decodeSpeech(low)))[0]).toBe(0);
  });

  test("channels without known positions are averaged", async () => {
    const frames = Int16Array.from({ length: 160 * 9 }, (_, index) => (index % 9) * 1000);
    const path = await writeFixture(
      folder,
      "nine.wav",
      wavFile(Buffer.from(frames.buffer), { channels: 9 }),
    );
    const decoded = await collect(decodeSpeech(path));
    expect(decoded).toHaveLength(160);
    for (const sample of decoded) expect(sample * 32_768).toBeCloseTo(4000, -1);
  });

  test("a WAVE file is known by its header, whatever its name", async () => {
    const path = await writeFixture(folder, "really-wav.mp3", wavFile(Buffer.alloc(640)));
    expect(await probeSound(path)).toEqual({
      durationSeconds: 0.02,
      sampleRateHz: 16_000,
      channels: 1,
      codec: "pcm_s16le",
    });
  });

  test("ADPCM inside a WAVE file goes through FFmpeg", async () => {
    const samples = chord({ sampleRateHz: 16_000, channels: 1, seconds: 0.5 });
    const source = await writeFixture(folder, "for-adpcm.wav", waveBytes(samples, 1, 16_000, "16"));
    const path = join(folder, "adpcm.wav");
    await transcode(source, path, "adpcm_ima_wav", "aformat=sample_fmts=s16p");
    expect((await probeSound(path)).codec).toBe("adpcm_ima_wav");
    expectSameSamples(await collect(decodeSpeech(path)), await decodeByFilterGraph(path));
  });

  test("a large file decodes the same through FFmpeg, in blocks of a second at most", async () => {
    const fields = { channels: 8, bitsPerSample: 64, formatTag: 3 };
    const sound = chord({ sampleRateHz: 16_000, channels: 8, seconds: 1 });
    const start = Buffer.from(sound.buffer);
    const small = await writeFixture(folder, "small.wav", wavFile(start, fields));
    const path = join(folder, "large.wav");
    const seconds = 67;
    const file = await open(path, "w");
    await file.write(wavFile(start, { ...fields, dataBytes: seconds * start.length }));
    await file.truncate(44 + seconds * start.length);
    await file.close();
    expect(seconds * start.length).toBeGreaterThan(64 * 1024 * 1024);
    const blocks = await Array.fromAsync(decodeSpeech(path));
    expect(blocks.map(({ length }) => length)).toEqual(Array(seconds).fill(16_000));
    expectSameSamples(blocks[0] as Float32Array, await collect(decodeSpeech(small)));
  });
});

describe("other containers and codecs", () => {
  test.each([
    ["flac", "flac", "s16", 44_100],
    ["m4a", "aac", "fltp", 44_100],
    ["mp3", "libmp3lame", "fltp", 44_100],
    ["ogg", "libopus", "s16", 48_000],
    ["mkv", "pcm_s16le", "s16", 44_100],
    ["mp4", "aac", "fltp", 48_000],
    ["ac3", "ac3", "fltp", 48_000],
  ] as const)(".%s with %s", async (extension, codec, sampleFormat, sampleRateHz) => {
    const samples = chord({ sampleRateHz: 44_100, channels: 2, seconds: 1 });
    const source = await writeFixture(folder, "source.wav", waveBytes(samples, 2, 44_100, "16"));
    const path = join(folder, `sound-${codec}.${extension}`);
    const filter = `aformat=sample_fmts=${sampleFormat}:sample_rates=${sampleRateHz}:channel_layouts=stereo`;
    await transcode(source, path, codec, filter);
    const info = await probeSound(path);
    expect(info.sampleRateHz).toBe(sampleRateHz);
    expect(info.channels).toBe(2);
    expect(info.durationSeconds).toBeGreaterThan(0.9);
    expect(info.durationSeconds).toBeLessThan(1.2);
    const decoded = await collect(decodeSpeech(path));
    expectSameSamples(decoded, await decodeByFilterGraph(path));
    expect(decoded.length).toBeGreaterThan(15_000);
  });

  test("a damaged packet in the middle does not end the sound", async () => {
    const samples = chord({ sampleRateHz: 44_100, channels: 1, seconds: 2 });
    const source = await writeFixture(folder, "long.wav", waveBytes(samples, 1, 44_100, "16"));
    const path = join(folder, "damaged.flac");
    await transcode(source, path, "flac", "aformat=sample_fmts=s16");
    const file = await open(path, "r+");
    const { size } = await file.stat();
    await file.write(Buffer.alloc(64, 0x55), 0, 64, Math.floor(size / 2));
    await file.close();
    expect((await collect(decodeSpeech(path))).length).toBeGreaterThan(16_000);
  });
});

describe("files that are refused", () => {
  const media = Buffer.from(wavFile(Buffer.alloc(32_000)));

  test.each([
    [
      "an HLS playlist",
      "list.m3u8",
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.wav\n#EXT-X-ENDLIST\n",
    ],
    ["an ffconcat script", "list.ffconcat", "ffconcat version 1.0\nfile secret.wav\n"],
    ["an SDP", "list.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"],
    [
      "a DASH manifest",
      "list.mpd",
      '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
    ],
    ["text", "text.txt", "This is not sound.\n".repeat(100)],
  ])("%s", async (_what, name, text) => {
    await writeFixture(folder, "secret.wav", media);
    const path = await writeFixture(folder, name, Buffer.from(text));
    await expectFailure(collect(decodeSpeech(path)), "invalid_media", /FFmpeg finds no sound/);
    await expectFailure(probeSound(path), "invalid_media", /FFmpeg finds no sound/);
  });

  test.each([
    "http://127.0.0.1:9/a.wav",
    "concat:secret.wav|secret.wav",
    "file:secret.wav",
    "pipe:0",
  ])("%s is a file name and no address", async (address) => {
    await expectFailure(collect(decodeSpeech(address)), "not_found", /no sound file/);
  });

  test("a missing file, a folder, an empty file", async () => {
    await expectFailure(collect(decodeSpeech(join(folder, "none.wav"))), "not_found", /none\.wav/);
    await expectFailure(collect(decodeSpeech(join(folder, "a\0.wav"))), "not_found", /null/);
    await expectFailure(collect(decodeSpeech(folder)), "invalid_media", /not a regular file/);
    const path = await writeFixture(folder, "empty.wav", Buffer.alloc(0));
    const error = await expectFailure(collect(decodeSpeech(path)), "invalid_media", /empty/);
    expect(error.hint).toBeTruthy();
  });

  test("a video without sound", async () => {
    const path = join(folder, "silent.mkv");
    const { ffmpegVideo } = await import("./silent-video.ts");
    await ffmpegVideo(path);
    await expectFailure(collect(decodeSpeech(path)), "invalid_media", /no audio track/);
  });
});

describe("resources", () => {
  const signalled = async (path: string, after: number): Promise<unknown> => {
    const controller = new AbortController();
    let blocks = 0;
    try {
      for await (const block of decodeSpeech(path, { signal: controller.signal })) {
        blocks += Math.sign(block.length);
        if (blocks === after) controller.abort(new Error("stop"));
      }
    } catch (error) {
      return error;
    }
    return undefined;
  };

  test("stops when it is told to, with the reason it is given", async () => {
    const samples = chord({ sampleRateHz: 44_100, channels: 2, seconds: 8 });
    const wav = await writeFixture(folder, "abort.wav", waveBytes(samples, 2, 44_100, "16"));
    const m4a = join(folder, "abort.m4a");
    await transcode(wav, m4a, "aac", "aformat=sample_fmts=fltp");
    for (const path of [wav, m4a]) {
      expect(await signalled(path, 2)).toEqual(new Error("stop"));
      const signal = AbortSignal.abort(new Error("early"));
      await expect(collect(decodeSpeech(path, { signal }))).rejects.toThrow("early");
      await expect(probeSound(path, { signal })).rejects.toThrow("early");
    }
  });

  test.skipIf(process.platform !== "linux")(
    "leaves no file open after success, error, abort and a consumer that leaves (Linux: /proc)",
    async () => {
      const samples = chord({ sampleRateHz: 44_100, channels: 1, seconds: 4 });
      const wav = await writeFixture(folder, "leak.wav", waveBytes(samples, 1, 44_100, "16"));
      const flac = join(folder, "leak.flac");
      await transcode(wav, flac, "flac", "aformat=sample_fmts=s16");
      const broken = await writeFixture(
        folder,
        "leak-broken.wav",
        wavFile(Buffer.alloc(8), { channels: 0 }),
      );
      const text = await writeFixture(folder, "leak.txt", Buffer.from("no sound"));
      const openFiles = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
      const before = await openFiles();
      for (let round = 0; round < 10; round++) {
        for (const path of [wav, flac]) {
          await collect(decodeSpeech(path));
          await signalled(path, 1);
          for await (const _ of decodeSpeech(path)) break;
          await probeSound(path);
        }
        await expectFailure(collect(decodeSpeech(broken)), "invalid_media", /channels/);
        await expectFailure(collect(decodeSpeech(text)), "invalid_media", /FFmpeg/);
      }
      expect(await openFiles()).toBe(before);
    },
  );

  test("a mutated header never does worse than a LatentSyncError", async () => {
    const valid = wavFile(Buffer.alloc(256, 7), {
      channels: 2,
      channelMask: 3,
      extraChunks: [{ name: "LIST", body: Buffer.from("INFOISFT\x04\0\0\0abc\0", "latin1") }],
    });
    const path = join(folder, "mutated.wav");
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(fc.nat(99), fc.oneof(fc.nat(255), fc.constantFrom(0, 0xff, 0x7f, 0x80))),
          {
            minLength: 1,
            maxLength: 6,
          },
        ),
        fc.nat(valid.length),
        async (mutations, cut) => {
          const bytes = Buffer.from(valid);
          for (const [position, value] of mutations) bytes[position] = value;
          await writeFile(path, cut % 3 === 0 ? bytes.subarray(0, cut) : bytes);
          try {
            for (const sample of await collect(decodeSpeech(path))) {
              expect(Math.abs(sample)).toBeLessThanOrEqual(1);
            }
          } catch (error) {
            expect(error).toMatchObject({ name: "LatentSyncError", code: "invalid_media" });
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
