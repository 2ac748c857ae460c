/** Encoders on devices, and how frames get to them. */
import {
  AV_PIX_FMT_NV12,
  AV_PIX_FMT_VAAPI,
  AV_PIX_FMT_YUV420P,
  type AVPixelFormat,
  type FFVideoEncoder,
} from "node-av/constants";
import { Codec, Frame, HardwareFramesContext } from "node-av/lib";
import { colourEncoding } from "./colour.ts";
import { checkResult } from "./ffmpeg-error.ts";
import {
  HARDWARE_DEVICES,
  type HardwareDevice,
  type HardwareDeviceName,
  type HardwareStatus,
  openHardwareDevice,
} from "./hardware.ts";
import {
  allocateFrame,
  convertFrame,
  copyColourTags,
  referenceFrame,
  tagEncoding,
} from "./native-frame.ts";
import type { VideoCodec } from "./output-format.ts";

const DEVICE_HINT = "Encode in software with --hwaccel none.";
/** Frames that a VAAPI encoder may hold at once. */
const SURFACE_COUNT = 20;
/** FFmpeg's units of quality for one step of a quantiser scale. */
const QUALITY_UNITS = 118;

/** A device's encoder of 8-bit 4:2:0 pictures. */
export interface HardwareEncoderProfile {
  readonly device: HardwareDeviceName;
  readonly encoder: FFVideoEncoder;
  /** Settings for about the quality that a crf of the software encoder stands for. */
  options(crf: number): Readonly<Record<string, string | number>>;
}

type Settings = HardwareEncoderProfile["options"];

const SETTINGS: Readonly<Record<HardwareDeviceName, Settings>> = {
  cuda: (crf) => ({ preset: "p5", tune: "hq", rc: "vbr", cq: crf, b: 0 }),
  qsv: (crf) => ({ preset: "slow", global_quality: Math.max(1, crf) }),
  vaapi: (crf) => ({ rc_mode: "CQP", qp: crf }),
  // Its scale goes from 0 to 100, the best.
  videotoolbox: (crf) => ({ flags: "+qscale", global_quality: (100 - 2 * crf) * QUALITY_UNITS }),
};

const SUFFIXES: Readonly<Record<HardwareDeviceName, string>> = {
  cuda: "nvenc",
  qsv: "qsv",
  vaapi: "vaapi",
  videotoolbox: "videotoolbox",
};

const CODECS: Readonly<Record<HardwareDeviceName, readonly VideoCodec[]>> = {
  cuda: ["h264", "hevc", "av1"],
  qsv: ["h264", "hevc", "av1"],
  vaapi: ["h264", "hevc"],
  videotoolbox: ["h264", "hevc"],
};

/** A device's encoder of a codec; `undefined` if there is none in this build of FFmpeg. */
export function hardwareEncoder(
  device: HardwareDeviceName,
  codec: VideoCodec,
): HardwareEncoderProfile | undefined {
  const encoder = `${codec}_${SUFFIXES[device]}` as FFVideoEncoder;
  if (!CODECS[device].includes(codec) || !Codec.findEncoderByName(encoder)) return undefined;
  return { device, encoder, options: SETTINGS[device] };
}

/** Tries every device; for people. */
export function probeVideoHardware(): readonly HardwareStatus[] {
  return HARDWARE_DEVICES.map((name) => {
    const encoders = CODECS[name].flatMap((codec) => hardwareEncoder(name, codec)?.encoder ?? []);
    try {
      openHardwareDevice(name)[Symbol.dispose]();
      return { name, available: true, encoders };
    } catch {
      return { name, available: false, encoders };
    }
  });
}

/** Brings yuv420p frames to where an encoder takes them. */
export interface FrameUpload extends Disposable {
  /** Of the frames that the encoder gets. */
  readonly format: AVPixelFormat;
  readonly frames: HardwareFramesContext | undefined;
  /** The caller frees the result. */
  upload(frame: Frame): Promise<Frame>;
}

/** NVENC and VideoToolbox take planes from memory, QSV interleaved chroma, VAAPI its own surfaces. */
export function createFrameUpload(device: HardwareDevice, like: Frame): FrameUpload {
  if (device.name === "vaapi" && device.context) return new SurfaceUpload(device, like);
  const format = device.name === "qsv" ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P;
  return {
    format,
    frames: undefined,
    upload: (frame) => inFormat(frame, format),
    [Symbol.dispose]: () => undefined,
  };
}

async function inFormat(frame: Frame, format: AVPixelFormat): Promise<Frame> {
  if (frame.format === format) return referenceFrame(frame);
  using source = referenceFrame(frame);
  const encoding = colourEncoding(source, source.width, source.height);
  tagEncoding(source, encoding);
  const target = allocateFrame(format, frame.width, frame.height);
  try {
    copyColourTags(target, frame);
    tagEncoding(target, encoding);
    await convertFrame(target, source);
    checkResult(target.copyProps(frame), "runtime", "FFmpeg lost a frame's time", DEVICE_HINT);
    return target;
  } catch (error) {
    target.free();
    throw error;
  }
}

class SurfaceUpload implements FrameUpload {
  readonly format: AVPixelFormat = AV_PIX_FMT_VAAPI;
  readonly frames: HardwareFramesContext;

  constructor({ context }: HardwareDevice, { width, height }: Frame) {
    const frames = new HardwareFramesContext();
    if (context) frames.alloc(context);
    frames.format = AV_PIX_FMT_VAAPI;
    frames.swFormat = AV_PIX_FMT_NV12;
    frames.width = width;
    frames.height = height;
    frames.initialPoolSize = SURFACE_COUNT;
    checkResult(frames.init(), "runtime", "VAAPI has no room for pictures", DEVICE_HINT);
    this.frames = frames;
  }

  async upload(frame: Frame): Promise<Frame> {
    using memory = await inFormat(frame, AV_PIX_FMT_NV12);
    const surface = new Frame();
    surface.alloc();
    try {
      checkResult(this.frames.getBuffer(surface), "runtime", "VAAPI has no room left", DEVICE_HINT);
      const moved = await this.frames.transferData(surface, memory);
      checkResult(moved, "runtime", "A picture did not reach VAAPI", DEVICE_HINT);
      checkResult(surface.copyProps(memory), "runtime", "FFmpeg lost a frame's time", DEVICE_HINT);
      return surface;
    } catch (error) {
      surface.free();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.frames.free();
  }
}
