import { rm, writeFile } from "node:fs/promises";
import type { Session, SpeechFeatures } from "@ls/core";
import { describe, expect, test } from "vitest";
import { createSpeechEncoder, type SpeechSource } from "../src/speech-encoder.ts";
import {
  speechFrameCount,
  WhisperFeatureStream,
  whisperStateShape,
} from "../src/whisper-feature-stream.ts";
import {
  planWindows,
  speechStateCount,
  type WhisperWindow,
  type WindowLayout,
  whisperWindows,
} from "../src/whisper-windows.ts";
import {
  collect,
  expectFailure,
  FakeWhisper,
  temporaryFolder,
  wavFile,
  writeFixture,
} from "./fixtures.ts";
import { generateSpeech } from "./generated-speech.ts";

const folder = temporaryFolder();

/** Blocks of one second of a repeated voice; counts what is open. */
class FakeSource {
  readonly #second: Float32Array = generateSpeech(1, 2);
  readonly #samples: number;
  open = 0;
  reads = 0;

  constructor(samples: number) {
    this.#samples = samples;
  }

  readonly source: SpeechSource = (_path, options) => this.#read(options.signal);

  async *#read(signal: AbortSignal | undefined): AsyncGenerator<Float32Array> {
    this.open++;
    try {
      for (let start = 0; start < this.#samples; start += 16_000) {
        signal?.throwIfAborted();
        this.reads++;
        yield this.#second.slice(0, Math.min(16_000, this.#samples - start));
      }
    } finally {
      this.open--;
    }
  }
}

/** Windows of silence. */
async function* windowsOf(
  melFrames: number,
  layout: WindowLayout = "official",
): AsyncGenerator<WhisperWindow> {
  for (const place of planWindows(melFrames, layout)) {
    const frameCount = Math.min(melFrames - 2 * place.firstState, 3000);
    yield { ...place, mel: new Float32Array(80 * 3000), frameCount };
  }
}

function featuresOf(frames: readonly { readonly features: Float32Array }[]): Float32Array[] {
  return frames.map((frame) => frame.features);
}

describe("dealing states out to frames", () => {
  test.each([
    [60, 32],
    [1920, 962],
    [1, 2],
    [2, 3],
    [1499, 751],
    [1500, 752],
  ])("%d states make %d frames at 25 per second", (states, frames) => {
    expect(speechFrameCount(states, 25)).toBe(frames);
  });

  test("the count at other rates is that of the official loop", () => {
    for (const framesPerSecond of [23.976, 24, 25, 29.97, 30, 50, 60]) {
      for (let states = 1; states < 400; states += 7) {
        let frame = 0;
        let produced = 0;
        for (;;) {
          const start = Math.floor(frame * (50 / framesPerSecond));
          produced++;
          frame++;
          if (start > states) break;
        }
        expect(speechFrameCount(states, framesPerSecond)).toBe(produced);
      }
    }
  });

  test("a state stands for two mel frames", () => {
    expect([0, 1, 2, 3, 2999, 3000, 3001, 3002, 6001].map(speechStateCount)).toEqual([
      0, 0, 1, 1, 1499, 1500, 1500, 1501, 3000,
    ]);
  });

  test.each([
    [[2, 2] as const, 25],
    [[2, 2] as const, 30],
    [[0, 0] as const, 25],
    [[1, 3] as const, 50],
    [[100, 100] as const, 25],
  ])(
    "features are the clamped states around the frame: %j at %d",
    async (length, framesPerSecond) => {
      const states = speechStateCount(6051);
      // Every element tells its state and its place within it.
      const whisper = new FakeWhisper(
        2,
        3,
        (_mel, state, element, window) => (window * 1500 + state) * 10 + element,
      );
      const stream = new WhisperFeatureStream(whisper, states, {
        audioFeatureLength: length,
        framesPerSecond,
      });
      const width = 2 * (length[0] + length[1] + 1);
      expect(stream.elementsPerFrame).toBe(width * 6);
      let frame = 0;
      for await (const features of stream.frames(windowsOf(6051))) {
        const centre = Math.floor((frame * 50) / framesPerSecond);
        const expected = Float32Array.from({ length: width * 6 }, (_, index) => {
          const state = centre - 2 * length[0] + Math.floor(index / 6);
          return Math.min(Math.max(state, 0), states - 1) * 10 + (index % 6);
        });
        expect(features).toEqual(expected);
        frame++;
      }
      expect(frame).toBe(stream.frameCount);
      expect(whisper.windows).toHaveLength(3);
    },
  );

  test("a window is encoded when the first frame needs it, and not before", async () => {
    const whisper = new FakeWhisper(1, 1);
    const stream = new WhisperFeatureStream(whisper, 3000, {
      audioFeatureLength: [2, 2],
      framesPerSecond: 25,
    });
    let frame = 0;
    for await (const _ of stream.frames(windowsOf(6000))) {
      // State 1500, the first of the second window, is 5 states behind that of frame 747.5.
      expect(whisper.windows).toHaveLength(frame < 748 ? 1 : 2);
      frame++;
    }
  });

  test("too few windows are an error", async () => {
    const stream = new WhisperFeatureStream(new FakeWhisper(1, 1), 3000, {
      audioFeatureLength: [2, 2],
      framesPerSecond: 25,
    });
    await expectFailure(
      collect(stream.frames(windowsOf(3000))),
      "invalid_argument",
      /1500 states instead of 3000/,
    );
  });

  test("a session that is no Whisper encoder is refused with what it has", () => {
    const whisper = new FakeWhisper(5, 64);
    expect(whisperStateShape(whisper)).toEqual({ layers: 5, width: 64 });
    const other: Session = {
      inputs: [],
      outputs: [{ name: "out", dtype: "float32", dims: ["n", 2] }],
      run: () => Promise.resolve({}),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    expect(() => whisperStateShape(other)).toThrow(/this graph has out \[n, 2\]/);
  });
});

describe("windows that overlap", () => {
  test.each([3002, 3400, 3840, 5600, 5602, 6001, 9000, 100_001, 360_000])(
    "%d mel frames: no state is near a border but at the ends of the sound",
    (melFrames) => {
      const states = speechStateCount(melFrames);
      const places = planWindows(melFrames, "overlapped");
      expect(places[0]?.firstState).toBe(0);
      expect(places.at(-1)).toMatchObject({ endState: states, handoverState: states });
      for (const [index, place] of places.entries()) {
        expect(place.endState - place.firstState).toBe(1500);
        const next = places[index + 1];
        if (next === undefined) break;
        expect(place.endState - next.firstState).toBeGreaterThanOrEqual(200);
        // A state is taken from the window where it is farther from the border, within the fade.
        const middle = (place.endState + next.firstState) / 2;
        expect(Math.abs(place.handoverState + 25 - middle)).toBeLessThanOrEqual(1);
        expect(next.handoverState).toBeGreaterThan(place.handoverState + 50);
      }
      // 30 s windows every 26 s at most.
      expect(places.length).toBeLessThanOrEqual(1 + Math.ceil((states - 1500) / 1300));
    },
  );

  test("states that depend on the sound alone are the same in both layouts", async () => {
    const sound = generateSpeech(3, 8);
    const source: SpeechSource = async function* () {
      for (let second = 0; second < 71; second++) {
        const start = (second * 7919) % 32_000;
        yield sound.slice(start, start + 16_000);
      }
    };
    const frames = async (windows: WindowLayout): Promise<Float32Array[]> => {
      const encoder = createSpeechEncoder({ source, windows });
      await using speech = await encoder.open("a.wav", new FakeWhisper(2, 3));
      return featuresOf(await Array.fromAsync(speech.frames()));
    };
    const overlapped = await frames("overlapped");
    expect(overlapped).toHaveLength(71 * 25 + 2);
    expect(overlapped).toEqual(await frames("official"));
  });

  test("one window's states fade into the next one's", async () => {
    const whisper = new FakeWhisper(1, 1, (_mel, _state, _element, window) => window);
    const stream = new WhisperFeatureStream(whisper, 4000, {
      audioFeatureLength: [0, 0],
      framesPerSecond: 50,
    });
    const frames = await Array.fromAsync(stream.frames(windowsOf(8000, "overlapped")));
    const states = frames.slice(0, 4000).map(([state]) => state as number);
    const steps = states.slice(1).map((state, index) => state - (states[index] as number));
    expect(states[0]).toBe(0);
    expect(states.at(-1)).toBe(2);
    // Two steps of 1, over 50 states each.
    expect(Math.max(...steps)).toBeLessThanOrEqual(0.0201);
    expect(Math.min(...steps)).toBe(0);
    expect(steps.filter((step) => step > 0)).toHaveLength(102);
  });

  test("up to 30 s both layouts are the same window", async () => {
    const sound = generateSpeech(2, 4);
    const windows = async (layout: WindowLayout): Promise<WhisperWindow[]> => {
      const measure = { sampleCount: 32_000, melFrameCount: 200, maximumPower: 7 };
      const blocks = (async function* () {
        yield sound;
      })();
      return await Array.fromAsync(whisperWindows(blocks, measure, layout));
    };
    expect(await windows("overlapped")).toEqual(await windows("official"));
    expect(await windows("official")).toMatchObject([{ frameCount: 200, endState: 100 }]);
  });
});

describe("silence", () => {
  test("is the middle of a window that is as quiet as the scale has it", async () => {
    const whisper = new FakeWhisper(
      1,
      4,
      (mel, state, element) => (mel[0] ?? 0) * 10_000 + state + element,
    );
    const { source } = new FakeSource(32_000);
    await using speech = await createSpeechEncoder({ source }).open("a.wav", whisper);
    const silence = await speech.silence();
    expect(silence).toHaveLength(speech.elementsPerFrame);
    const [mel] = whisper.windows;
    expect(new Set(mel).size).toBe(1);
    // The floor of Whisper's scale is 2 under its loudest value, which speech brings near 1.
    expect(mel?.[0]).toBeLessThan(-0.2);
    const first = (mel?.[0] ?? 0) * 10_000 + 750;
    expect(silence[0]).toBeCloseTo(first, 1);
    expect(silence[4 * 9 + 3]).toBeCloseTo(first + 12, 1);
  });
});

describe("the speech encoder", () => {
  test("reads a file twice and gives the promised frames", async () => {
    const voice = generateSpeech(1.2, 6);
    const pcm = Int16Array.from(voice, (sample) => Math.round(sample * 32_767));
    const path = await writeFixture(folder, "speech.wav", wavFile(Buffer.from(pcm.buffer)));
    const whisper = new FakeWhisper(5, 4);
    await using speech = await createSpeechEncoder().open(path, whisper);
    expect(whisper.windows).toHaveLength(0);
    expect(speech).toMatchObject({ frameCount: 32, durationSeconds: 1.2, elementsPerFrame: 200 });
    const first = await Array.fromAsync(speech.frames());
    expect(first).toHaveLength(32);
    expect(new Set(featuresOf(first).map((frame) => frame.length))).toEqual(new Set([200]));
    expect(await Array.fromAsync(speech.frames())).toEqual(first);
    expect(whisper.windows).toHaveLength(2);
    expect(whisper.windows[0]?.subarray(120, 3000).every((value) => value === 0)).toBe(true);
  });

  test("a file that is replaced by another is noticed", async () => {
    const path = await writeFixture(folder, "changes.wav", wavFile(Buffer.alloc(32_000)));
    await using speech = await createSpeechEncoder().open(path, new FakeWhisper(1, 1));
    await writeFile(path, wavFile(Buffer.alloc(16_000)));
    const shorter = Array.fromAsync(speech.frames());
    await expectFailure(shorter, "invalid_media", /16000 samples .* 8000 now/);
    await rm(path);
    await expectFailure(Array.fromAsync(speech.frames()), "not_found", /changes\.wav/);
  });

  test.each([1, 200, 319])("%d samples are too short", async (samples) => {
    const { source } = new FakeSource(samples);
    const opening = createSpeechEncoder({ source }).open("a.wav", new FakeWhisper(1, 1));
    await expectFailure(opening, "invalid_media", /speech takes 320 or more/);
  });

  test("the shortest speech makes frames", async () => {
    const { source } = new FakeSource(320);
    const encoder = createSpeechEncoder({ source });
    await using speech = await encoder.open("a.wav", new FakeWhisper(1, 1));
    expect(await Array.fromAsync(speech.frames())).toHaveLength(2);
  });

  test("options out of range are refused", () => {
    expect(() => createSpeechEncoder({ framesPerSecond: 0 })).toThrow(/framesPerSecond is 0/);
    expect(() => createSpeechEncoder({ audioFeatureLength: [2, -1] })).toThrow(/\[2, -1\]/);
  });

  test("aborting stops opening and iterating with the caller's reason", async () => {
    const fake = new FakeSource(16_000 * 90);
    const encoder = createSpeechEncoder({ source: fake.source });
    const whisper = new FakeWhisper(1, 1);
    const reason = new Error("stop");
    await expect(
      encoder.open("a.wav", whisper, { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    await using speech = await encoder.open("a.wav", whisper);
    const controller = new AbortController();
    let frames = 0;
    const iterate = async (): Promise<void> => {
      for await (const _ of speech.frames({ signal: controller.signal })) {
        if (++frames === 10) controller.abort(reason);
      }
    };
    await expect(iterate()).rejects.toBe(reason);
    expect(frames).toBe(10);
    expect(fake.open).toBe(0);
  });

  test("disposing ends what is under way and frees the source", async () => {
    const fake = new FakeSource(16_000 * 90);
    const open = (): Promise<SpeechFeatures> =>
      createSpeechEncoder({ source: fake.source }).open("a.wav", new FakeWhisper(1, 1));
    const speech = await open();
    const iterator = speech.frames()[Symbol.asyncIterator]();
    await iterator.next();
    expect(fake.open).toBe(1);
    await speech[Symbol.asyncDispose]();
    expect(fake.open).toBe(0);
    expect((await iterator.next()).done).toBe(true);
    await expectFailure(Array.fromAsync(speech.frames()), "disposed", /disposed/);
    await expectFailure(speech.silence(), "disposed", /disposed/);
    const left = await open();
    for await (const _ of left.frames()) break;
    expect(fake.open).toBe(0);
    await left[Symbol.asyncDispose]();
  });

  test("memory does not grow with the length of the sound, and windows are read as needed", async () => {
    const minutes = 12;
    const fake = new FakeSource(16_000 * 60 * minutes);
    const whisper = new FakeWhisper(2, 8, (_mel, state) => state);
    const speech = await createSpeechEncoder({ source: fake.source }).open("a.wav", whisper);
    expect(speech.frameCount).toBe(minutes * 60 * 25 + 2);
    fake.reads = 0;
    let frame = 0;
    let early = 0;
    let late = 0;
    for await (const _ of speech.frames()) {
      if (++frame % 750 !== 0) continue;
      const used = process.memoryUsage.rss();
      if (frame <= 3000) early = Math.max(early, used);
      else late = Math.max(late, used);
      // A window is 30 s, and reading runs one window ahead at most.
      expect(fake.reads).toBeLessThanOrEqual(frame / 25 + 62);
      whisper.windows.length = 0;
    }
    expect(frame).toBe(speech.frameCount);
    expect(late - early).toBeLessThan(64 * 1024 * 1024);
    await speech[Symbol.asyncDispose]();
  });
});
