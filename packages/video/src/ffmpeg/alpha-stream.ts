/** Streams of WebM and Matroska whose transparency lies beside their pictures. */
import {
  AV_CODEC_ID_VP8,
  AV_CODEC_ID_VP9,
  type AVCodecID,
  FF_DECODER_LIBVPX_VP8,
  FF_DECODER_LIBVPX_VP9,
  type FFVideoDecoder,
} from "node-av/constants";
import { Codec, type Stream } from "node-av/lib";

/** FFmpeg's own decoders of these leave such transparency out. */
const ALPHA_DECODERS: ReadonlyMap<AVCodecID, FFVideoDecoder> = new Map<AVCodecID, FFVideoDecoder>([
  [AV_CODEC_ID_VP8, FF_DECODER_LIBVPX_VP8],
  [AV_CODEC_ID_VP9, FF_DECODER_LIBVPX_VP9],
]);

/** Whether a stream's transparency lies beside its pictures. */
export function hasAlphaBeside(stream: Stream): boolean {
  return stream.metadata?.get("alpha_mode") === "1" && ALPHA_DECODERS.has(stream.codecpar.codecId);
}

/** The decoder of a stream, one that gives its transparency where there is such. */
export function findDecoder(stream: Stream): Codec | null {
  const { codecId } = stream.codecpar;
  const named = hasAlphaBeside(stream) ? ALPHA_DECODERS.get(codecId) : undefined;
  return (named && Codec.findDecoderByName(named)) ?? Codec.findDecoder(codecId);
}
