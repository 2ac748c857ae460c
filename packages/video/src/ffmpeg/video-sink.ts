import { LatentSyncError, type VideoSink, type VideoWriter } from "@ls/core";
import { type HardwareAcceleration, VideoHardware } from "./hardware.ts";
import { VIDEO_ENCODERS, type VideoCodec } from "./output-format.ts";
import { FfmpegVideoWriter } from "./video-writer.ts";

export interface FfmpegVideoSinkOptions {
  /** Codec of the pictures; default `h264`. `ffv1` (in .mkv) is lossless. */
  readonly codec?: VideoCodec;
  /**
   * Constant rate factor: lower is better and larger. Default 18 for `h264`, 20 for `hevc`, 24 for
   * `av1` and `vp9`; not for `prores` and `ffv1`.
   */
  readonly crf?: number;
  /** The encoder's own word for speed, such as `medium` (x264, x265) or `8` (SVT-AV1). */
  readonly preset?: string;
  /**
   * A device's name encodes there with about the quality of the crf, but more bytes, and other ones on
   * other devices. `auto` and `none`, the default, encode in software.
   */
  readonly hardware?: HardwareAcceleration;
  /** Called with a line for people when software takes over, or the codec keeps less than there is. */
  readonly onNotice?: (message: string) => void;
}

/**
 * Writes videos with the FFmpeg inside `node-av`: one encode, the source's colour tags, static HDR
 * metadata, rate and sample aspect ratio kept. Pixels go to the encoder as they came, apart from what
 * a patch changes; a patch never changes transparency.
 * The container follows the output's extension: .mp4, .m4v, .mov, .mkv or .webm.
 *
 * | codec           | pixels                                                        | in                 |
 * | --------------- | ------------------------------------------------------------- | ------------------ |
 * | `h264`          | 8 bit 4:2:0                                                   | mp4, mov, mkv      |
 * | `hevc`          | 4:2:0, 8 or 10 bit                                            | mp4, mov, mkv      |
 * | `av1`           | 4:2:0, 8 or 10 bit                                            | mp4, mkv, webm     |
 * | `vp9`           | 4:2:0, 8 or 10 bit; 8 bit with transparency, not in mp4       | mp4, mkv, webm     |
 * | `prores`        | 10 bit: 422 HQ, or 4444 for full chroma, RGB and transparency | mov, mkv           |
 * | `ffv1`          | as they are                                                   | mkv                |
 *
 * `hevc` needs 64x32 pixels at least, `av1` 32x32: below, their encoders break.
 * RGB sources become BT.709 limited but in `ffv1`. Where a codec needs even sides, an odd picture grows
 * by a copy of its last column or row.
 *
 * Sound is copied where the container can hold it, else encoded at 192 kbit/s (AAC; Opus in .webm)
 * in mono or stereo at its own rate.
 * @throws LatentSyncError `invalid_argument` for a codec or crf that does not exist.
 */
export function createFfmpegVideoSink(options: FfmpegVideoSinkOptions = {}): VideoSink {
  const codec = options.codec ?? "h264";
  const profile = Object.hasOwn(VIDEO_ENCODERS, codec) ? VIDEO_ENCODERS[codec] : undefined;
  if (!profile) {
    throw new LatentSyncError(
      "invalid_argument",
      `The codec must be one of ${Object.keys(VIDEO_ENCODERS).join(", ")}, but is "${codec}".`,
    );
  }
  const crf = options.crf ?? profile.defaultCrf;
  if (profile.defaultCrf === undefined && options.crf !== undefined) {
    const why = codec === "ffv1" ? "is lossless" : "has one quality";
    throw new LatentSyncError("invalid_argument", `${codec} ${why} and takes no crf.`);
  }
  if (crf !== undefined && !(crf >= 0 && crf <= profile.maxCrf)) {
    throw new LatentSyncError(
      "invalid_argument",
      `The crf of ${codec} must be from 0 to ${profile.maxCrf}, but is ${crf}.`,
    );
  }
  const hardware = new VideoHardware({
    acceleration: options.hardware ?? "none",
    onNotice: options.onNotice,
  });
  return {
    create: (writerOptions): Promise<VideoWriter> =>
      FfmpegVideoWriter.create(writerOptions, {
        codec,
        profile,
        crf: crf ?? 0,
        preset: options.preset,
        hardware,
        onNotice: options.onNotice,
      }),
  };
}
