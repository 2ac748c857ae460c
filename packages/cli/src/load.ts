/** Wires the default adapters, so that embedding takes a few lines. */
import { createSpeechEncoder } from "@ls/audio";
import {
  LatentSync,
  LatentSyncError,
  type LipSyncEvent,
  type LipSyncRequest,
  type ModelInfo,
  type Precision,
  Resources,
  type Runtime,
  type VideoSink,
} from "@ls/core";
import { type GraphProgress, type ModelReference, openModel } from "@ls/models";
import {
  createFaceAligner,
  createFfmpegVideoSink,
  createFfmpegVideoSource,
  createOcclusionDetector,
  type HardwareAcceleration,
  INSIGHTFACE_LICENCE_NOTICE,
  type VideoCodec,
} from "@ls/video";
import { DEMO_MODEL_NAME, DEMO_MODEL_NOTICE, defaultModel, locateModel } from "./bundled-model.ts";
import { FaceDetectors } from "./face-detectors.ts";
import { framesOutSink } from "./frames-out.ts";
import { hostMemory } from "./host-memory.ts";
import type { RuntimeName } from "./options.ts";
import { provenanceTags } from "./provenance.ts";
import { type DeviceNumbers, selectDevices } from "./select-devices.ts";

/** How to make an engine; everything has a default. */
export interface LoadOptions {
  /**
   * A pulled model's name such as `latentsync-1.6`, `hf:owner/repository`, or a folder in the
   * official or the converted layout, or `latentsync-demo` for the small model that comes with this
   * package. Default: the newest pulled model, or else the small one.
   */
  readonly model?: string | undefined;
  /** The UNet's YAML and checkpoint, as the official script takes them; both or neither. */
  readonly unetConfig?: string | undefined;
  readonly unetCheckpoint?: string | undefined;
  /** A runtime's name, or a runtime that stays yours. Default `auto`: CUDA where it works, else OpenVINO with bfloat16, else the CPU. */
  readonly runtime?: RuntimeName | Runtime | undefined;
  /** Default: what the runtime prefers. */
  readonly precision?: Precision | undefined;
  /** CPU threads of the networks. Default: all cores. */
  readonly threads?: number | undefined;
  /**
   * Numbers of the GPUs that chunks are spread over, or all of them; the frames are those of one. With
   * the runtime `cpu` each gets its part of the cores. Default: one device.
   */
  readonly devices?: DeviceNumbers | undefined;
  /** Default `mediapipe`. `insightface` needs `faceModel`; its weights are for non-commercial use. */
  readonly faceDetector?: "mediapipe" | "insightface" | undefined;
  /** Folder of InsightFace's `det_10g.onnx` and `2d106det.onnx`. */
  readonly faceModel?: string | undefined;
  /**
   * Whether MediaPipe is started in the way that requests about one of several people need: it then
   * also looks for small, turned and cut-off faces in frames that show another face at a glance. What
   * a request needs otherwise is started when it runs. Default false.
   */
  readonly thoroughFaces?: boolean | undefined;
  /** JSON file with the alignment points of every frame; no detector is used then. */
  readonly landmarks?: string | undefined;
  /** Folder where every output frame is also written as PNG, before encoding. */
  readonly framesOut?: string | undefined;
  /** Video codec of the output. Default `h264`. */
  readonly codec?: VideoCodec | undefined;
  /** Quality of the video encoder, lower is better. Default: the codec's. */
  readonly crf?: number | undefined;
  /**
   * Default `auto`: 8-bit video is decoded on a device where there is one, which changes no pixel. A
   * device's name also encodes there: faster, but more bytes for the same quality.
   */
  readonly hwaccel?: HardwareAcceleration | undefined;
  /**
   * Parts that behave exactly as the official pipeline's, faults included; requests of such an engine
   * should say the rest, as `infer --compat` does. Default false.
   */
  readonly compat?: boolean | undefined;
  /** Reports the conversion of a checkpoint, which happens once per checkpoint and runtime. */
  readonly onGraphProgress?: GraphProgress | undefined;
  /** Called during a run with what a person should be told: software took over from hardware. */
  readonly onNotice?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request, which may differ from its engine in how the output is written and faces are found. */
export interface RunRequest
  extends LipSyncRequest, Pick<LoadOptions, "codec" | "crf" | "framesOut" | "landmarks"> {}

/** An engine with its parts; disposing it disposes them. */
export interface LoadedEngine extends AsyncDisposable {
  readonly model: ModelInfo;
  /** Name of the runtime in use. */
  readonly runtime: string;
  /** Arithmetic of the networks. */
  readonly precision: Precision;
  /** What a person should be told, licences for example. */
  readonly notices: readonly string[];
  /** See `LatentSync.run` of `@ls/core`. Outputs say in their tags that they are synthetic. */
  run(request: RunRequest): AsyncGenerator<LipSyncEvent, void, undefined>;
}

/**
 * Makes an engine out of the default adapters: FFmpeg, MediaPipe, onnxruntime-node.
 * @throws LatentSyncError with what is missing and what to do.
 */
export async function load(options: LoadOptions = {}): Promise<LoadedEngine> {
  const { onGraphProgress: onProgress, signal } = options;
  const resources = new Resources();
  try {
    const { reference, notices } = await chooseModel(options);
    const model = resources.use(await openModel(reference, { onProgress, signal }));
    const { variants } = model;
    const runtimes = await selectDevices({ ...options, variants }, resources);
    const [runtime] = runtimes;
    const detectors = resources.use(await FaceDetectors.open(options, runtime));
    const { resolution, audioFeatureLength } = model.info;
    const aligner = resources.use(createFaceAligner({ resolution }));
    const windows = options.compat === true ? "official" : "overlapped";
    const engine = resources.use(
      await LatentSync.load({
        model,
        runtime: runtimes,
        hostMemory,
        ...(options.precision === undefined ? {} : { precision: options.precision }),
        speech: createSpeechEncoder({ audioFeatureLength, windows }),
        source: createFfmpegVideoSource({
          ...accelerationOf(options),
          rateConversion: options.compat === true ? "ffmpeg" : "nearest",
        }),
        sink: sinkOf(options),
        detector: detectors.first,
        aligner,
        occlusion: resources.use(createOcclusionDetector()),
      }),
    );
    return {
      model: model.info,
      runtime: runtime.name,
      precision: engine.precision,
      notices: [...notices, ...(usesInsightFace(options) ? [INSIGHTFACE_LICENCE_NOTICE] : [])],
      async *run({ codec, crf, framesOut, landmarks, ...request }) {
        await using chosen = await detectors.for({ ...request, landmarks });
        yield* engine.run({
          detector: chosen.detector,
          sink: sinkOf({
            ...options,
            codec: codec ?? options.codec,
            crf: crf ?? options.crf,
            framesOut: framesOut ?? options.framesOut,
          }),
          ...request,
          metadata: {
            ...provenanceTags({ model: model.info, runtime: runtime.name, request }),
            ...request.metadata,
          },
        });
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  } catch (error) {
    await resources[Symbol.asyncDispose]();
    throw error;
  }
}

function accelerationOf({ hwaccel = "auto", onNotice }: LoadOptions): {
  readonly hardware: HardwareAcceleration;
  readonly onNotice?: (message: string) => void;
} {
  return { hardware: hwaccel, ...(onNotice === undefined ? {} : { onNotice }) };
}

function sinkOf(options: LoadOptions): VideoSink {
  const { codec, crf, framesOut } = options;
  const sink = createFfmpegVideoSink({
    ...accelerationOf(options),
    ...(codec === undefined ? {} : { codec }),
    ...(crf === undefined ? {} : { crf }),
  });
  return framesOut === undefined ? sink : framesOutSink(sink, framesOut);
}

interface ChosenModel {
  readonly reference: ModelReference;
  readonly notices: readonly string[];
}

/** The model that {@link load} takes. */
export async function chooseModel(
  options: Pick<LoadOptions, "model" | "unetConfig" | "unetCheckpoint">,
): Promise<ChosenModel> {
  const { model, unetConfig, unetCheckpoint } = options;
  if (unetConfig !== undefined || unetCheckpoint !== undefined) {
    if (unetConfig === undefined || unetCheckpoint === undefined || model !== undefined) {
      throw new LatentSyncError(
        "invalid_argument",
        "The UNet's configuration and checkpoint must be given together, and without a model.",
        { hint: "Give both paths, or a model's folder alone." },
      );
    }
    const reference = { unetConfigPath: unetConfig, unetCheckpointPath: unetCheckpoint };
    return { reference, notices: [] };
  }
  if (model !== undefined) return { reference: locateModel(model), notices: [] };
  const name = await defaultModel();
  const notices = name === DEMO_MODEL_NAME ? [DEMO_MODEL_NOTICE] : [];
  return { reference: locateModel(name), notices };
}

function usesInsightFace({ faceDetector, landmarks }: LoadOptions): boolean {
  return landmarks === undefined && faceDetector === "insightface";
}
