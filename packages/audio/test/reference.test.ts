import { float32, type Tensor } from "@ls/core";
import {
  assertClose,
  hasReference,
  readGoldenTensors,
  reference,
  referenceTitle,
} from "@ls/testing";
import { describe, expect, test } from "vitest";
import { logMelSpectrogram, measureSpeech } from "../src/log-mel.ts";
import { decodeSpeech } from "../src/speech-decoder.ts";
import { createSpeechEncoder } from "../src/speech-encoder.ts";
import { whisperWindows } from "../src/whisper-windows.ts";
import { collect, decodeByFilterGraph, expectSameSamples, FakeWhisper } from "./fixtures.ts";

/** Agreement that the reference's README asks for, on values of order 1. */
const TOLERANCE = 1e-4;

function golden(tensors: Map<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`The reference has no ${name}.`);
  return tensor;
}

function columns(mel: Float32Array, frames: number, start: number, end: number): Tensor {
  const width = end - start;
  const data = Float32Array.from(
    { length: 80 * width },
    (_, index) => mel[Math.floor(index / width) * frames + start + (index % width)] as number,
  );
  return float32([80, width], data);
}

describe.skipIf(!hasReference)(referenceTitle("audio.safetensors"), () => {
  const path = reference("media", "clip_audio_1.2s.wav");

  test("waveform is decoded exactly", async () => {
    const tensors = readGoldenTensors(reference("audio.safetensors"));
    const waveform = await collect(decodeSpeech(path));
    assertClose(float32([19_200], waveform), golden(tensors, "waveform"), 0, "waveform");
  });

  test("log_mel", async () => {
    const tensors = readGoldenTensors(reference("audio.safetensors"));
    const mel = logMelSpectrogram(await collect(decodeSpeech(path)));
    assertClose(float32([80, 120], mel), golden(tensors, "log_mel"), TOLERANCE, "log_mel");
  });

  test("chunks and chunk_count, given encoder_embeddings", async () => {
    const tensors = readGoldenTensors(reference("audio.safetensors"));
    const embeddings = golden(tensors, "encoder_embeddings");
    const [states, layers, width] = embeddings.dims as [number, number, number];
    expect(states).toBe(60);
    const whisper = new FakeWhisper(layers, width, (_mel, state, element) =>
      state < states ? Number(embeddings.data[state * layers * width + element]) : Number.NaN,
    );
    await using features = await createSpeechEncoder({ windows: "official" }).open(path, whisper);
    const frames = await Array.fromAsync(features.frames(), (frame) => frame.features);
    expect(frames).toHaveLength(Number(golden(tensors, "chunk_count").data[0]));
    expect(features.frameCount).toBe(frames.length);
    const indices = [...golden(tensors, "chunk_index").data].map(Number);
    const chosen = indices.map((index) => [...(frames[index] ?? [])]);
    const actual = float32([indices.length, 10 * layers, width], Float32Array.from(chosen.flat()));
    assertClose(actual, golden(tensors, "chunks"), 0, "chunks");
    // What the encoder was given is the golden mel, padded with zeros.
    const mel = whisper.windows[0] as Float32Array;
    assertClose(columns(mel, 3000, 0, 120), golden(tensors, "log_mel"), TOLERANCE, "log_mel");
    expect(columns(mel, 3000, 120, 3000).data.every((value) => Number(value) === 0)).toBe(true);
  });
});

describe.skipIf(!hasReference)(referenceTitle("audio_long.safetensors"), () => {
  async function* joined(): AsyncGenerator<Float32Array> {
    yield* decodeSpeech(reference("media", "demo2_audio.wav"));
    yield* decodeSpeech(reference("media", "demo3_audio.wav"));
  }

  test("log_mel_boundary and log_mel_last", async () => {
    const tensors = readGoldenTensors(reference("audio_long.safetensors"));
    const samples = await collect(joined());
    expect(samples).toHaveLength(Number(golden(tensors, "sample_count").data[0]));
    const mel = logMelSpectrogram(samples);
    const boundary = columns(mel, 3840, 2990, 3010);
    assertClose(boundary, golden(tensors, "log_mel_boundary"), TOLERANCE, "log_mel_boundary");
    const last = columns(mel, 3840, 3790, 3840);
    assertClose(last, golden(tensors, "log_mel_last"), TOLERANCE, "log_mel_last");
  });

  test("log_mel_boundary and log_mel_last in the windows of the stream", async () => {
    const tensors = readGoldenTensors(reference("audio_long.safetensors"));
    const measure = await measureSpeech(joined());
    const windows = await Array.fromAsync(whisperWindows(joined(), measure, "official"));
    expect(windows.map(({ frameCount }) => frameCount)).toEqual([3000, 840]);
    const [first, second] = windows.map(({ mel }) => mel) as [Float32Array, Float32Array];
    const boundary = Float32Array.from({ length: 80 * 20 }, (_, index) => {
      const [row, column] = [Math.floor(index / 20) * 3000, index % 20];
      return column < 10
        ? (first[row + 2990 + column] as number)
        : (second[row + column - 10] as number);
    });
    assertClose(float32([80, 20], boundary), golden(tensors, "log_mel_boundary"), TOLERANCE);
    assertClose(columns(second, 3000, 790, 840), golden(tensors, "log_mel_last"), TOLERANCE);
  });

  test("embedding_count and the number of frames across the window boundary", async () => {
    const tensors = readGoldenTensors(reference("audio_long.safetensors"));
    const whisper = new FakeWhisper(1, 1, (_mel, state, _element, window) => window * 1500 + state);
    const encoder = createSpeechEncoder({ source: joined, windows: "official" });
    await using features = await encoder.open("", whisper);
    const frames = await Array.fromAsync(features.frames(), (frame) => frame.features);
    const indices = [...golden(tensors, "chunk_index").data].map(Number);
    expect(frames).toHaveLength(Math.max(...indices) + 1);
    const states = Number(golden(tensors, "embedding_count").data[0]);
    expect(frames.at(-1)?.at(-1)).toBe(states - 1);
    expect([...(frames[749] ?? [])]).toEqual([
      1494, 1495, 1496, 1497, 1498, 1499, 1500, 1501, 1502, 1503,
    ]);
  });
});

describe.skipIf(!hasReference)(referenceTitle("media/demo*_video.mp4"), () => {
  test.each(["demo1", "demo2", "demo3"])(
    "the sound of %s is what FFmpeg makes of it",
    async (name) => {
      const path = reference("media", `${name}_video.mp4`);
      expectSameSamples(await collect(decodeSpeech(path)), await decodeByFilterGraph(path));
    },
  );
});
