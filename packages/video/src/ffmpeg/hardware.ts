/** Video hardware: devices that decode, and what happens where they cannot. */
import { LatentSyncError } from "@ls/core";
import {
  AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX,
  AV_FRAME_FLAG_CORRUPT,
  AV_HWDEVICE_TYPE_CUDA,
  AV_HWDEVICE_TYPE_QSV,
  AV_HWDEVICE_TYPE_VAAPI,
  AV_HWDEVICE_TYPE_VIDEOTOOLBOX,
  AV_PIX_FMT_YUV420P,
  type AVHWDeviceType,
  type AVPixelFormat,
} from "node-av/constants";
import {
  avIsHardwarePixelFormat,
  type Codec,
  type CodecContext,
  Frame,
  HardwareDeviceContext,
  type Stream,
} from "node-av/lib";
import { hasAlphaBeside } from "./alpha-stream.ts";
import { checkResult } from "./ffmpeg-error.ts";
import { silenceFfmpeg } from "./media-input.ts";
import { allocateFrame, convertFrame, referenceFrame } from "./native-frame.ts";

export type HardwareDeviceName = "cuda" | "videotoolbox" | "qsv" | "vaapi";

const DEVICE_TYPES: Readonly<Record<HardwareDeviceName, AVHWDeviceType>> = {
  cuda: AV_HWDEVICE_TYPE_CUDA,
  videotoolbox: AV_HWDEVICE_TYPE_VIDEOTOOLBOX,
  qsv: AV_HWDEVICE_TYPE_QSV,
  vaapi: AV_HWDEVICE_TYPE_VAAPI,
};

/** Devices in the order in which `auto` tries them. */
export const HARDWARE_DEVICES: readonly HardwareDeviceName[] = Object.keys(
  DEVICE_TYPES,
) as HardwareDeviceName[];

/**
 * Where video is decoded and encoded. `auto` decodes on the first device that is there and encodes in
 * software: what is written is then the same on every machine. A device's name also encodes there.
 */
export type HardwareAcceleration = "auto" | "none" | HardwareDeviceName;

/** A device that is open. */
export interface HardwareDevice extends Disposable {
  readonly name: HardwareDeviceName;
  /** FFmpeg's handle, for encoders that need one. */
  readonly context: HardwareDeviceContext | undefined;
  /** Has a context decode on the device, before it is opened. @returns whether it has such a decoder. */
  attach(context: CodecContext, codec: Codec): boolean;
  /** A decoded frame in memory as yuv420p. The caller frees it. */
  download(frame: Frame): Promise<Frame>;
}

/** @throws LatentSyncError `unsupported` if there is no such device. */
export type OpenHardwareDevice = (name: HardwareDeviceName) => HardwareDevice;

/** The device could not do what software can: software is to start again. */
export class HardwareFailure extends Error {
  override readonly name: string = "HardwareFailure";
}

export function openHardwareDevice(name: HardwareDeviceName): HardwareDevice {
  silenceFfmpeg();
  const type = DEVICE_TYPES[name];
  const context = new HardwareDeviceContext();
  checkResult(
    HardwareDeviceContext.iterateTypes().includes(type) ? context.create(type, null, null) : -1,
    "unsupported",
    `There is no ${name} device that FFmpeg can open`,
    "Install its driver, or leave the hardware out with --hwaccel none.",
  );
  return {
    name,
    context,
    attach: (codecContext, codec) => {
      const format = surfaceFormat(codec, type);
      if (format === undefined) return false;
      codecContext.hwDeviceCtx = context;
      codecContext.setHardwarePixelFormat(format);
      return true;
    },
    download: downloadFrame,
    [Symbol.dispose]: () => context.free(),
  };
}

function surfaceFormat(codec: Codec, type: AVHWDeviceType): AVPixelFormat | undefined {
  for (let index = 0; ; index++) {
    const config = codec.getHwConfig(index);
    if (!config) return undefined;
    const takesDevice = (config.methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) !== 0;
    if (config.deviceType === type && takesDevice) return config.pixFmt;
  }
}

/** A decoded frame in memory as yuv420p, wherever it was. The caller frees it. */
export async function downloadFrame(frame: Frame): Promise<Frame> {
  const isSurface = avIsHardwarePixelFormat(frame.format as AVPixelFormat);
  using memory = isSurface ? await transfer(frame) : referenceFrame(frame);
  return memory.format === AV_PIX_FMT_YUV420P ? referenceFrame(memory) : await planar(memory);
}

async function transfer(frame: Frame): Promise<Frame> {
  const memory = new Frame();
  memory.alloc();
  try {
    const transferred = await frame.hwframeTransferData(memory);
    checkResult(transferred, "runtime", "A picture did not come back", "Decode in software.");
    checkResult(memory.copyProps(frame), "runtime", "FFmpeg lost a frame's time", "Free memory.");
    return memory;
  } catch (error) {
    memory.free();
    throw error;
  }
}

/** The same samples in the layout that software decoders give. */
async function planar(frame: Frame): Promise<Frame> {
  const target = allocateFrame(AV_PIX_FMT_YUV420P, frame.width, frame.height);
  try {
    target.colorSpace = frame.colorSpace;
    target.colorRange = frame.colorRange;
    await convertFrame(target, frame);
    checkResult(target.copyProps(frame), "runtime", "FFmpeg lost a frame's time", "Free memory.");
    return target;
  } catch (error) {
    target.free();
    throw error;
  }
}

/** Whether a decoder concealed damage: software does that in its own way, the same everywhere. */
export function isDamaged(frame: Frame): boolean {
  return frame.decodeErrorFlags !== 0 || frame.hasFlags(AV_FRAME_FLAG_CORRUPT);
}

export interface VideoHardwareOptions {
  readonly acceleration: HardwareAcceleration;
  /** Called with a line for people when software does what was meant for hardware. */
  readonly onNotice?: ((message: string) => void) | undefined;
  /** Default: FFmpeg's devices. */
  readonly openDevice?: OpenHardwareDevice;
}

/** The hardware of one source or sink. What failed once is not tried again. */
export class VideoHardware {
  readonly #options: VideoHardwareOptions;
  #gaveUp = false;

  constructor(options: VideoHardwareOptions) {
    const { acceleration } = options;
    const names = ["auto", "none", ...HARDWARE_DEVICES];
    if (!names.includes(acceleration)) {
      throw new LatentSyncError(
        "invalid_argument",
        `The hardware acceleration must be one of ${names.join(", ")}, but is "${acceleration}".`,
      );
    }
    this.#options = options;
  }

  /** The device that was asked for by name, which is to encode too. */
  get encodingDevice(): HardwareDeviceName | undefined {
    const { acceleration } = this.#options;
    return this.#gaveUp || acceleration === "auto" || acceleration === "none"
      ? undefined
      : acceleration;
  }

  /** A device for the pictures of a stream, which the caller disposes; `undefined`: software. */
  openFor(stream: Stream): HardwareDevice | undefined {
    const { acceleration } = this.#options;
    if (acceleration === "none" || this.#gaveUp) return undefined;
    const reason = softwareReason(stream);
    if (reason !== undefined) {
      if (acceleration !== "auto") this.giveUp("decoded", reason);
      return undefined;
    }
    for (const name of acceleration === "auto" ? HARDWARE_DEVICES : [acceleration]) {
      try {
        return this.openDevice(name);
      } catch (error) {
        if (acceleration !== "auto") this.giveUp("decoded", error);
      }
    }
    this.#gaveUp = true;
    return undefined;
  }

  openDevice(name: HardwareDeviceName): HardwareDevice {
    return (this.#options.openDevice ?? openHardwareDevice)(name);
  }

  /** Leaves the rest to software and says so, once. */
  giveUp(what: "decoded" | "encoded", cause: unknown): void {
    if (this.#gaveUp) return;
    this.#gaveUp = true;
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#options.onNotice?.(`The video is ${what} in software: ${reason.replace(/\.$/u, "")}.`);
  }
}

/** Why a stream is not for hardware, which would change its pictures; `undefined` if it is. */
function softwareReason(stream: Stream): string | undefined {
  const { width, height, format } = stream.codecpar;
  if (hasAlphaBeside(stream)) return "its pictures are transparent";
  if (format !== AV_PIX_FMT_YUV420P) return "its pixels are not 8 bit 4:2:0";
  return width % 2 === 0 && height % 2 === 0 ? undefined : `its size ${width}x${height} is odd`;
}

/** A device, and whether it is there. */
export interface HardwareStatus {
  readonly name: HardwareDeviceName;
  readonly available: boolean;
  /** Encoders for it in this build of FFmpeg, whether or not it is there. */
  readonly encoders: readonly string[];
}
