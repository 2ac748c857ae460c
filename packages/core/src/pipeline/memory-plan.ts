/** What a run needs in memory, said before it begins, and how much of it at a time fits. */
import { MOMENTS_BUDGET_BYTES } from "../diffusion/chunk-encoder.ts";
import { LatentSyncError } from "../errors.ts";
import type { ModelInfo } from "../model.ts";
import type { Precision, Runtime } from "../runtime.ts";
import type { VideoInfo } from "../video.ts";
import { networkBytes } from "./network-memory.ts";
import type { UNetUse } from "./networks.ts";
import { MODEL_FRAMES_PER_SECOND } from "./playback.ts";
import { FRAMES_IN_PREPARATION } from "./prepare.ts";

export interface MemoryNeed {
  /**
   * An estimate. The networks' part was 3 % above what ONNX Runtime took on a CPU at a resolution of
   * 256; it is not measured on accelerators. What the process had taken before is not in it.
   */
  readonly neededBytes: number;
  /** `undefined` where it is not known; then nothing is refused. */
  readonly availableBytes: number | undefined;
}

/** How a run uses its devices. */
export interface RunPlan {
  readonly devices: number;
  /** Chunks that the UNet denoises together, at most. */
  readonly chunksPerBatch: number;
  /** Batches that a device has at a time: while the host is busy with one, it runs another. */
  readonly batchesInFlight: number;
  /** Batches that wait for a device. */
  readonly batchesPrepared: number;
  /** Images that go through the VAE together. */
  readonly imagesPerRun: number;
  /** Of this machine: frames in flight, and the networks on its CPU. `undefined` if it cannot be told. */
  readonly hostMemory: MemoryNeed | undefined;
  /** Of each accelerator; `undefined` if there is none, or it cannot be told. */
  readonly deviceMemory: MemoryNeed | undefined;
}

export interface PlanOptions {
  readonly info: ModelInfo;
  readonly device: Runtime["capabilities"]["device"];
  readonly devices: number;
  readonly precision: Precision;
  readonly use: UNetUse;
  readonly video: Pick<VideoInfo, "width" | "height" | "framesPerSecond">;
  /** At most so many, instead of what is usual for the device. */
  readonly chunksPerBatch: number | undefined;
  readonly hostAvailableBytes: number | undefined;
  /** Of the accelerator that has least. */
  readonly deviceAvailableBytes: number | undefined;
  /** Plan as if there were enough. */
  readonly unchecked: boolean;
}

/** What can be made smaller, one after the other, until it fits. */
type Load = Pick<RunPlan, "chunksPerBatch" | "batchesInFlight" | "imagesPerRun">;

/** Where memory allows it and nobody said otherwise. */
const CHUNKS_PER_BATCH_ON_GPU = 2;

/**
 * The largest load that fits.
 * @throws LatentSyncError `exhausted` if the smallest one does not.
 */
export function planRun(options: PlanOptions): RunPlan {
  const [most, ...less] = loads(options);
  let plan = describe(most, options);
  if (options.unchecked || fits(plan)) return plan;
  for (const load of less) {
    plan = describe(load, options);
    if (fits(plan)) return plan;
  }
  throw exhausted(plan, options);
}

/** From the largest to the smallest. */
function loads({
  info,
  device,
  chunksPerBatch,
  deviceAvailableBytes,
}: PlanOptions): [Load, ...Load[]] {
  const isCpu = device === "cpu";
  const usual = isCpu || deviceAvailableBytes === undefined ? 1 : CHUNKS_PER_BATCH_ON_GPU;
  const most = chunksPerBatch ?? usual;
  // A CPU works for the host as well, and a batch of images is no faster there than one by one.
  const first: Load = isCpu
    ? { chunksPerBatch: most, batchesInFlight: 1, imagesPerRun: 1 }
    : { chunksPerBatch: most, batchesInFlight: 2, imagesPerRun: info.framesPerChunk };
  const smaller = Array.from({ length: most - 1 }, (_, index) => ({
    ...first,
    chunksPerBatch: most - 1 - index,
  }));
  const single = { ...first, chunksPerBatch: 1 };
  const careful = [
    { ...single, imagesPerRun: Math.min(4, info.framesPerChunk) },
    { ...single, imagesPerRun: 1 },
    { ...single, imagesPerRun: 1, batchesInFlight: 1 },
  ];
  return [first, ...smaller, ...(isCpu ? [] : careful)];
}

function describe(load: Load, options: PlanOptions): RunPlan {
  const { device, devices, info, use, precision } = options;
  const { hostAvailableBytes, deviceAvailableBytes } = options;
  const batchesPrepared = devices * load.batchesInFlight - 1;
  const counts = { ...load, devices, batchesPrepared };
  const networks = networkBytes({ info, device, precision, use, ...load });
  if (networks === undefined) {
    return { ...counts, hostMemory: undefined, deviceMemory: undefined };
  }
  const { weightBytes, activationBytes } = networks;
  const onDevice = weightBytes + activationBytes;
  // An accelerator's weights pass through the host while they are loaded, one device's at a time.
  const onHost = device === "cpu" ? devices * onDevice : weightBytes;
  const neededBytes = onHost + frameBytes(counts, options);
  return {
    ...counts,
    hostMemory: { neededBytes, availableBytes: hostAvailableBytes },
    deviceMemory:
      device === "cpu"
        ? undefined
        : { neededBytes: onDevice, availableBytes: deviceAvailableBytes },
  };
}

/** Frames that an encoder holds to look ahead, and a decoder for its threads. */
const CODEC_FRAMES = 80;
/** 8-bit 4:2:0. */
const BYTES_PER_PIXEL = 1.5;
/** Part of a frame that is kept as RGB around a face. */
const FACE_SHARE = 0.25;

/** Frames in flight, their faces, and the tensors of batches that are in the model. */
function frameBytes(
  plan: Pick<RunPlan, "devices" | "chunksPerBatch" | "batchesInFlight" | "batchesPrepared">,
  { info, video }: PlanOptions,
): number {
  const { framesPerChunk, resolution, audioTokens, crossAttentionWidth } = info;
  const inModel = plan.devices * plan.batchesInFlight;
  // One more is being written, and one waits in front of the devices.
  const batches = inModel + plan.batchesPrepared + 2;
  // Each model frame stands for several of a faster video.
  const framesPerSlot = Math.max(1, video.framesPerSecond / MODEL_FRAMES_PER_SECOND);
  const frames =
    framesPerSlot * framesPerChunk * (batches * plan.chunksPerBatch + 1) + FRAMES_IN_PREPARATION;
  const pixels = video.width * video.height;
  const face = 3 * resolution ** 2;
  const perFrame =
    pixels * (BYTES_PER_PIXEL + 3 * FACE_SHARE) + face + 4 * audioTokens * crossAttentionWidth;
  // Four float32 copies of the faces: in, masked, out and pasted.
  const tensors = inModel * plan.chunksPerBatch * framesPerChunk * face * 4 * 4;
  const caches = plan.devices * MOMENTS_BUDGET_BYTES;
  return frames * perFrame + tensors + caches + CODEC_FRAMES * pixels * BYTES_PER_PIXEL;
}

function fits({ hostMemory, deviceMemory }: RunPlan): boolean {
  return [hostMemory, deviceMemory].every((need) => !isShort(need));
}

function isShort(need: MemoryNeed | undefined): need is MemoryNeed & { availableBytes: number } {
  return need?.availableBytes !== undefined && need.neededBytes > need.availableBytes;
}

function exhausted({ hostMemory, deviceMemory }: RunPlan, options: PlanOptions): LatentSyncError {
  const { info, device, precision, devices } = options;
  const short = [
    ...(isShort(hostMemory) ? [`${shortage(hostMemory)} of this machine's memory`] : []),
    ...(isShort(deviceMemory) ? [`${shortage(deviceMemory)} of the accelerator's`] : []),
  ];
  const ways = [
    "Free memory",
    ...(device === "gpu" && precision === "float32" ? ["compute in float16"] : []),
    ...(device === "cpu" && devices > 1 ? ["use fewer devices"] : []),
    "take a model of a lower resolution, or a machine with more",
  ];
  return new LatentSyncError(
    "exhausted",
    `${info.name} does not fit into memory: it needs about ${short.join(", and ")}.`,
    { hint: `${ways.join(", ")}. To try it all the same, turn the memory check off.` },
  );
}

function shortage({ neededBytes, availableBytes = 0 }: MemoryNeed): string {
  return `${gigabytes(neededBytes)}, but has ${gigabytes(availableBytes)}`;
}

/** A plan in a line for people: `one chunk at a time, about 8.0 GB of memory (20.0 GB available)`. */
export function describePlan(plan: RunPlan): string {
  const { devices, chunksPerBatch, batchesInFlight, hostMemory, deviceMemory } = plan;
  const chunks = devices * batchesInFlight * chunksPerBatch;
  const needs = [
    ...(deviceMemory === undefined ? [] : [describeNeed(deviceMemory, "of each device's memory")]),
    ...(hostMemory === undefined ? [] : [describeNeed(hostMemory, "of memory")]),
  ];
  return [
    ...(devices === 1 ? [] : [`${devices} devices`]),
    chunks === 1 ? "one chunk at a time" : `${chunks} chunks at a time`,
    ...(needs.length === 0 ? [] : [`about ${needs.join(" and ")}`]),
  ].join(", ");
}

function describeNeed({ neededBytes, availableBytes }: MemoryNeed, kind: string): string {
  const available = availableBytes === undefined ? "" : ` (${gigabytes(availableBytes)} available)`;
  return `${gigabytes(neededBytes)} ${kind}${available}`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
