/**
 * Small, deterministic stand-ins for every seam, so that the pipeline is tested without FFmpeg,
 * networks or native code. They check how they are used and count what was not disposed.
 */
import {
  type AffineMatrix,
  type AlignedFace,
  type Face,
  type FaceAligner,
  type FaceDetector,
  type FaceTransform,
  float32,
  type GraphKind,
  type ImagePatch,
  LatentSyncError,
  type LatentSyncModel,
  type ModelInfo,
  type Rectangle,
  type RgbImage,
  type Runtime,
  type SegmentStore,
  type Session,
  type SpeechEncoder,
  type Tensor,
} from "@ls/core";

const RESOLUTION = 16;
const LATENT_SIZE = 2;

/** Finds one face in every frame but those of `faceless`. */
export class FakeFaceDetector implements FaceDetector {
  readonly #faceless: ReadonlySet<number>;
  readonly asked: number[] = [];

  constructor(faceless: Iterable<number> = []) {
    this.#faceless = new Set(faceless);
  }

  async detect(_image: RgbImage, frameIndex: number): Promise<readonly Face[]> {
    this.asked.push(frameIndex);
    if (this.#faceless.has(frameIndex)) return [];
    return [
      {
        box: { x: 4, y: 4, width: RESOLUTION, height: RESOLUTION },
        score: 1,
        points: [
          [8, 8],
          [16, 8],
          [12, 14],
        ],
      },
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Takes a fixed square out of the frame and puts it back. The mask generates the lower half. */
export class FakeFaceAligner implements FaceAligner {
  readonly resolution: number = RESOLUTION;
  readonly mask: Float32Array = Float32Array.from({ length: RESOLUTION ** 2 }, (_, index) =>
    index < RESOLUTION ** 2 / 2 ? 1 : 0,
  );

  createTransform(): FaceTransform {
    return {
      next: ([brow]) => {
        if (!brow.every(Number.isFinite)) throw new LatentSyncError("no_face", "No such face.");
        return [1, 0, -4, 0, 1, -4];
      },
    };
  }

  region(): Rectangle {
    return { x: 4, y: 4, width: RESOLUTION, height: RESOLUTION };
  }

  async align(background: ImagePatch, matrix: AffineMatrix): Promise<AlignedFace> {
    const pixels = new Uint8Array(3 * RESOLUTION ** 2).fill(background.data[0] as number);
    return { pixels, matrix, background };
  }

  async restore(face: Float32Array, { background }: AlignedFace): Promise<ImagePatch> {
    const last = face.at(-1) as number;
    return { ...background, data: background.data.map(() => Math.round((last / 2 + 0.5) * 255)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Speech of `frameCount` frames whose features are all the frame's position. */
export class FakeSpeechEncoder implements SpeechEncoder {
  readonly #frameCount: number;

  constructor(frameCount: number) {
    this.#frameCount = frameCount;
  }

  async open(): ReturnType<SpeechEncoder["open"]> {
    const frameCount = this.#frameCount;
    const { audioTokens, crossAttentionWidth } = FAKE_MODEL_INFO;
    const elementsPerFrame = audioTokens * crossAttentionWidth;
    return {
      frameCount,
      durationSeconds: frameCount / 25,
      elementsPerFrame,
      async *frames() {
        for (let frame = 0; frame < frameCount; frame++) {
          yield { features: new Float32Array(elementsPerFrame).fill(frame), voiced: true };
        }
      },
      silence: async () => new Float32Array(elementsPerFrame).fill(-1),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
}

export const FAKE_MODEL_INFO: ModelInfo = {
  name: "fake",
  resolution: RESOLUTION,
  framesPerChunk: 4,
  latentChannels: 4,
  vaeScaleFactor: RESOLUTION / LATENT_SIZE,
  scalingFactor: 0.5,
  shiftFactor: 0,
  audioFeatureLength: [2, 2],
  audioTokens: 2,
  crossAttentionWidth: 3,
  scheduler: {
    trainTimesteps: 1000,
    betaStart: 0.00085,
    betaEnd: 0.012,
    betaSchedule: "scaled_linear",
    stepsOffset: 1,
    setAlphaToOne: false,
    clipSample: false,
  },
  licence: "none",
  hash: "0".repeat(64),
};

/** A model whose graphs are names that {@link FakeRuntime} understands. */
export class FakeModel implements LatentSyncModel {
  readonly info: ModelInfo = FAKE_MODEL_INFO;

  async graph({ kind }: { readonly kind: GraphKind }): Promise<{ path: string }> {
    return { path: kind };
  }
}

/** Keeps segments in memory, and remembers which were asked for. */
export class FakeSegmentStore implements SegmentStore {
  readonly segments: Map<number, Float32Array> = new Map();
  readonly asked: number[] = [];

  async read(
    chunk: number,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Float32Array | undefined> {
    options?.signal?.throwIfAborted();
    this.asked.push(chunk);
    return this.segments.get(chunk)?.slice();
  }

  async write(
    chunk: number,
    latents: Float32Array,
    options?: { readonly signal?: AbortSignal },
  ): Promise<void> {
    options?.signal?.throwIfAborted();
    this.segments.set(chunk, latents.slice());
  }
}

type Feeds = Readonly<Record<string, Tensor>>;

function feed(feeds: Feeds, name: string, ...dims: (number | undefined)[]): Tensor {
  const value = feeds[name];
  if (value === undefined) throw new Error(`The feed ${name} is missing.`);
  const fits =
    dims.length === value.dims.length &&
    dims.every((dim, axis) => (dim ?? value.dims[axis]) === value.dims[axis]);
  if (!fits)
    throw new Error(
      `${name} has the shape [${value.dims.join(", ")}] instead of [${dims.join(", ")}]`,
    );
  return value;
}

/** The noise of every element is the last audio feature of its frame, plus the deep features if any. */
function fakeUnet(feeds: Feeds): Record<string, Tensor> {
  const { audioTokens, crossAttentionWidth } = FAKE_MODEL_INFO;
  const sample = feed(feeds, "sample", undefined, 13, undefined, LATENT_SIZE, LATENT_SIZE);
  const [batch, , frames] = sample.dims as [number, number, number];
  feed(feeds, "timestep", 1);
  const audio = feed(
    feeds,
    "encoder_hidden_states",
    batch * frames,
    audioTokens,
    crossAttentionWidth,
  );
  const plane = LATENT_SIZE ** 2;
  const noise = Float32Array.from({ length: batch * 4 * frames * plane }, (_, index) => {
    const frame = Math.floor(index / plane) % frames;
    const item = Math.floor(index / (4 * frames * plane));
    return (
      Number(audio.data[(item * frames + frame + 1) * audioTokens * crossAttentionWidth - 1]) / 10
    );
  });
  return { noise_pred: float32([batch, 4, frames, LATENT_SIZE, LATENT_SIZE], noise) };
}

/** As {@link fakeUnet} answers for silence, that is, features of zeros, and then for the speech. */
function fakeGuidedUnet(feeds: Feeds): Record<string, Tensor> {
  const doubled = Object.entries(feeds).map(([name, { dims, data }]) => {
    if (name !== "sample" && name !== "encoder_hidden_states") return [name, feeds[name]];
    const both = new Float32Array(2 * data.length);
    if (name === "sample") both.set(data as Float32Array);
    both.set(data as Float32Array, data.length);
    return [name, float32([2 * (dims[0] as number), ...dims.slice(1)], both)];
  });
  return fakeUnet(Object.fromEntries(doubled) as Feeds);
}

type FakeGraph = (feeds: Feeds) => Record<string, Tensor>;

/** A part of DeepCache: gives a deep feature for each answer, or takes as many. */
function fakeDeepCache(part: "full" | "shallow", unet: FakeGraph): FakeGraph {
  return (feeds) => {
    const answer = unet(feeds);
    const answers = answer["noise_pred"]?.dims[0] ?? 0;
    if (part === "full") answer["deep_features"] = float32([answers], new Float32Array(answers));
    else feed(feeds, "deep_features", answers);
    return answer;
  };
}

const FAKE_GRAPHS: Readonly<Record<string, FakeGraph>> = {
  whisper_encoder: () => ({}),
  vae_encoder(feeds) {
    const [images] = feed(feeds, "image", undefined, 3, RESOLUTION, RESOLUTION).dims as [number];
    const moments = new Float32Array(images * 4 * LATENT_SIZE ** 2);
    const dims = [images, 4, LATENT_SIZE, LATENT_SIZE];
    return { mean: float32(dims, moments), logvar: float32(dims, moments.slice().fill(-30)) };
  },
  vae_decoder(feeds) {
    const latents = feed(feeds, "latents", undefined, 4, LATENT_SIZE, LATENT_SIZE);
    const [images] = latents.dims as [number];
    const size = 3 * RESOLUTION ** 2;
    const pixels = Float32Array.from({ length: images * size }, (_, index) =>
      Math.tanh(Number(latents.data[Math.floor(index / size) * 4 * LATENT_SIZE ** 2]) / 100),
    );
    return { image: float32([images, 3, RESOLUTION, RESOLUTION], pixels) };
  },
  unet: fakeUnet,
  unet_deepcache_full: fakeDeepCache("full", fakeUnet),
  unet_deepcache_shallow: fakeDeepCache("shallow", fakeUnet),
  unet_guided: fakeGuidedUnet,
  unet_deepcache_full_guided: fakeDeepCache("full", fakeGuidedUnet),
  unet_deepcache_shallow_guided: fakeDeepCache("shallow", fakeGuidedUnet),
};

/** Runs the graphs of {@link FakeModel} as functions, and remembers which. */
export class FakeRuntime implements Runtime {
  readonly name = "fake";
  readonly capabilities: Runtime["capabilities"] = {
    device: "cpu",
    profile: "cpu",
    precisions: ["float32"],
  };
  readonly runs: string[] = [];
  openSessions = 0;
  /** Called before every run. */
  beforeRun: (graph: string) => void = () => undefined;

  async createSession(graph: Parameters<Runtime["createSession"]>[0]): Promise<Session> {
    const name = "path" in graph ? graph.path : "";
    const compute = FAKE_GRAPHS[name];
    if (compute === undefined) throw new Error(`There is no graph ${name}.`);
    this.openSessions += 1;
    return {
      inputs: [],
      outputs: [],
      run: async (feeds, options) => {
        options?.signal?.throwIfAborted();
        this.beforeRun(name);
        this.runs.push(name);
        return compute(feeds);
      },
      [Symbol.asyncDispose]: async () => {
        this.openSessions -= 1;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
