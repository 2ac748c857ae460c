/** Opens the decoder of a stream, in software or on a device. */
import { LatentSyncError } from "@ls/core";
import { type CodecContext, Dictionary, type Stream, avGetCodecName } from "node-av/lib";
import { findDecoder } from "./alpha-stream.ts";
import { checkResult } from "./ffmpeg-error.ts";
import { type HardwareDevice, HardwareFailure } from "./hardware.ts";

/** Pictures larger than this are refused before anything is allocated for them. */
export const MAX_PIXELS: number = 8192 * 8192;
export const DAMAGED_HINT = "Check that the file plays to its end; re-encode or download it again.";

/**
 * @param device decodes instead of software.
 * @throws LatentSyncError `unsupported` or `invalid_media`; HardwareFailure if the device does not decode
 *   such a stream.
 */
export async function openCodec(
  context: CodecContext,
  options: {
    readonly stream: Stream;
    readonly path: string;
    readonly threads: number;
    readonly device: HardwareDevice | undefined;
  },
): Promise<void> {
  const { stream, path, threads, device } = options;
  const codec = findDecoder(stream);
  const name = avGetCodecName(stream.codecpar.codecId) ?? "unknown";
  if (!codec) {
    throw new LatentSyncError("unsupported", `${path}: no decoder for its video codec (${name}).`, {
      hint: "Re-encode the video to H.264.",
    });
  }
  context.allocContext3(codec);
  const failure = `${path}: its ${name} video cannot be decoded`;
  checkResult(context.parametersToContext(stream.codecpar), "invalid_media", failure, DAMAGED_HINT);
  context.pktTimebase = stream.timeBase;
  context.threadCount = device ? 1 : threads;
  if (device && !device.attach(context, codec)) {
    throw new HardwareFailure(`${device.name} does not decode ${name}`);
  }
  using settings = Dictionary.fromObject({ max_pixels: MAX_PIXELS });
  const opened = await context.open2(codec, settings);
  if (opened < 0 && device)
    throw new HardwareFailure(`${device.name} does not decode this ${name}`);
  checkResult(opened, "invalid_media", failure, DAMAGED_HINT);
}
