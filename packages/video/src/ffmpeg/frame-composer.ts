/** Brings frames to what the encoder takes: the patch put over them, converted, padded. */
import { type ImagePatch, LatentSyncError, pastePatch, type VideoFrame } from "@ls/core";
import {
  AV_PICTURE_TYPE_NONE,
  AVCHROMA_LOC_LEFT,
  AVCHROMA_LOC_UNSPECIFIED,
  AVCOL_PRI_BT709,
  AVCOL_PRI_UNSPECIFIED,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_MPEG,
  AVCOL_SPC_BT709,
  AVCOL_SPC_RGB,
  AVCOL_TRC_BT709,
  AVCOL_TRC_UNSPECIFIED,
  type AVPixelFormat,
} from "node-av/constants";
import { avcodecFindBestPixFmtOfList, avGetPixFmtFromName, type Frame } from "node-av/lib";
import type { ColourEncoding } from "./colour.ts";
import { checkResult } from "./ffmpeg-error.ts";
import { checkRegion, FfmpegVideoFrame } from "./ffmpeg-video-frame.ts";
import {
  allocateFrame,
  convertFrame,
  copyColourTags,
  cropFrame,
  layoutOf,
  referenceFrame,
  rgbFrame,
  tagEncoding,
} from "./native-frame.ts";
import type { Container, VideoEncoderProfile } from "./output-format.ts";
import { applyPatch } from "./patch.ts";
import { hasFullChroma, type PixelLayout, pixelLayout } from "./pixel-layout.ts";

const RGB_ENCODING: ColourEncoding = { matrix: AVCOL_SPC_RGB, range: AVCOL_RANGE_JPEG };

export interface FrameComposerOptions {
  readonly profile: VideoEncoderProfile;
  readonly container: Container;
  /** Pixel formats that the encoder takes. */
  readonly encoderFormats: readonly AVPixelFormat[];
  /** Size of the frames in square pixels. */
  readonly width: number;
  readonly height: number;
  /** Told once, of the first frame, what it is brought to. */
  readonly onFormat?: (source: PixelLayout, output: PixelLayout) => void;
}

export class FrameComposer {
  readonly #options: FrameComposerOptions;
  #formatTold = false;
  #pads = false;

  constructor(options: FrameComposerOptions) {
    this.#options = options;
  }

  /** Whether frames have been made larger for the encoder. */
  get pads(): boolean {
    return this.#pads;
  }

  /** A frame for the encoder, which the caller frees. `frame` and `patches` are left as they are. */
  async compose(frame: VideoFrame, patches: readonly ImagePatch[]): Promise<Frame> {
    const { width, height } = this.#options;
    if (frame.width !== width || frame.height !== height) {
      throw new LatentSyncError(
        "invalid_argument",
        `Frame ${frame.index} has ${frame.width}x${frame.height} pixels, but the output has ${width}x${height}.`,
      );
    }
    for (const patch of patches) checkPatch(patch, width, height);
    if (!(frame instanceof FfmpegVideoFrame)) {
      const image = await frame.toRgb();
      for (const patch of patches) pastePatch(image, patch);
      using native = rgbFrame(image.data, width, height);
      return await this.#finish(native, RGB_ENCODING);
    }
    using native = frame.reference();
    if (patches.length > 0) {
      checkResult(native.makeWritable(), "runtime", "Cannot copy a frame", "Free some memory.");
    }
    for (const patch of patches) await applyPatch(native, frame.encoding, patch);
    return await this.#finish(native, frame.encoding);
  }

  /** Converts and pads where the encoder needs it. */
  async #finish(native: Frame, encoding: ColourEncoding): Promise<Frame> {
    using padded = this.#pad(native);
    const finished = await this.#convert(padded, encoding);
    finished.pictType = AV_PICTURE_TYPE_NONE;
    finished.keyFrame = 0;
    return finished;
  }

  async #convert(native: Frame, encoding: ColourEncoding): Promise<Frame> {
    const format = this.#formatFor(native);
    this.#tellFormat(native, format);
    if (format === native.format) return referenceFrame(native);
    using source = referenceFrame(native);
    tagEncoding(source, encoding);
    const target = allocateFrame(format, native.width, native.height);
    try {
      copyColourTags(target, native);
      placeChroma(target, native);
      tagEncoding(target, targetEncoding(target, encoding));
      await convertFrame(target, source);
      if (encoding.matrix === AVCOL_SPC_RGB) tagRgbAsBt709(target);
      // What a YUV source left open stays open, so that it is shown as the source would be.
      else target.colorSpace = native.colorSpace;
      return target;
    } catch (error) {
      target.free();
      throw error;
    }
  }

  #tellFormat(native: Frame, format: AVPixelFormat): void {
    if (this.#formatTold) return;
    this.#formatTold = true;
    const output = pixelLayout(format);
    if (output) this.#options.onFormat?.(layoutOf(native), output);
  }

  #formatFor(native: Frame): AVPixelFormat {
    const own = native.format as AVPixelFormat;
    const { profile, container, encoderFormats } = this.#options;
    const name = profile.pixelFormat(layoutOf(native), container);
    if (name !== undefined) return avGetPixFmtFromName(name);
    return encoderFormats.includes(own)
      ? own
      : avcodecFindBestPixFmtOfList([...encoderFormats], own);
  }

  /** Repeats the last column and row where sides must be even: nothing of the picture is lost. */
  #pad(frame: Frame): Frame {
    const unit = this.#options.profile.evenSides ? 2 : 1;
    const width = Math.ceil(frame.width / unit) * unit;
    const height = Math.ceil(frame.height / unit) * unit;
    if (width === frame.width && height === frame.height) return referenceFrame(frame);
    this.#pads = true;
    return cropFrame(frame, { x: 0, y: 0, width, height });
  }
}

/** RGB without further tags is sRGB's primaries, which are BT.709's. */
function tagRgbAsBt709(frame: Frame): void {
  if (frame.colorPrimaries === AVCOL_PRI_UNSPECIFIED) frame.colorPrimaries = AVCOL_PRI_BT709;
  if (frame.colorTrc === AVCOL_TRC_UNSPECIFIED) frame.colorTrc = AVCOL_TRC_BT709;
}

/** Chroma that is made here lies where decoders of H.264 and HEVC look for it if they are not told. */
function placeChroma(target: Frame, source: Frame): void {
  if (!hasFullChroma(layoutOf(source)) || hasFullChroma(layoutOf(target))) return;
  if (target.chromaLocation === AVCHROMA_LOC_UNSPECIFIED) target.chromaLocation = AVCHROMA_LOC_LEFT;
}

function targetEncoding(target: Frame, source: ColourEncoding): ColourEncoding {
  if (layoutOf(target).model === "rgb") return RGB_ENCODING;
  if (source.matrix !== AVCOL_SPC_RGB) return source;
  return { matrix: AVCOL_SPC_BT709, range: AVCOL_RANGE_MPEG };
}

function checkPatch(patch: ImagePatch, width: number, height: number): void {
  checkRegion(patch, width, height);
  const expected = patch.width * patch.height * 3;
  if (patch.data.length !== expected) {
    throw new LatentSyncError(
      "invalid_argument",
      `A patch of ${patch.width}x${patch.height} needs ${expected} bytes, but has ${patch.data.length}.`,
    );
  }
}
