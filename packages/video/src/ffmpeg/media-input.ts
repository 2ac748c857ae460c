/** Opens local media files for reading: sniffed by content, nothing but the named file is touched. */
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { LatentSyncError } from "@ls/core";
import { AV_LOG_QUIET, AV_NOPTS_VALUE, AVDISCARD_ALL, type AVMediaType } from "node-av/constants";
import { Dictionary, FormatContext, InputFormat, Log, type Stream } from "node-av/lib";
import { promisedBytes } from "./container-end.ts";
import { checkResult, fileError } from "./ffmpeg-error.ts";

/** Demuxers that follow references to other files, or that make pictures out of text. */
const REFUSED_DEMUXERS: ReadonlySet<string> = new Set([
  "adf",
  "applehttp",
  "avisynth",
  "bin",
  "concat",
  "dash",
  "ffmetadata",
  "hls",
  "idf",
  "image2",
  "imf",
  "lavfi",
  "lrc",
  "rtsp",
  "sdp",
  "tty",
  "vapoursynth",
  "vobsub",
  "webm_dash_manifest",
  "xbin",
]);

/** Bytes that the container format is recognised by. */
const SNIFF_BYTES = 1 << 20;
const PROBE_PADDING_BYTES = 64;
const MAX_STREAMS = 256;

const NOT_MEDIA_HINT = "Give a video or sound file that `ffprobe` can read, for example an MP4.";

let quiet = false;

/** FFmpeg's own log lines would break the caller's output; errors carry what matters. */
export function silenceFfmpeg(): void {
  if (!quiet) Log.setLevel(AV_LOG_QUIET);
  quiet = true;
}

/** Checks that `path` is a regular, complete file and recognises its container. */
async function sniff(path: string): Promise<InputFormat> {
  try {
    const status = await stat(path);
    if (!status.isFile()) throw notMedia(path, "is not a regular file");
    if (status.size === 0) throw notMedia(path, "is empty");
    await using file = await open(path, "r");
    const length = Math.min(SNIFF_BYTES, status.size);
    // FFmpeg's probes may look a little past what they are given.
    const buffer = Buffer.alloc(length + PROBE_PADDING_BYTES);
    const { bytesRead } = await file.read(buffer, 0, length, 0);
    const format = recognise(path, buffer.subarray(0, bytesRead));
    const promised = await promisedBytes(file, status.size, namesOf(format));
    if (promised !== undefined && promised > status.size) {
      throw new LatentSyncError(
        "invalid_media",
        `${path} is incomplete: it should have ${promised} bytes, but has ${status.size}.`,
        { hint: "Download or copy it again." },
      );
    }
    return format;
  } catch (error) {
    throw fileError(error, `Cannot read ${path}`);
  }
}

function recognise(path: string, head: Buffer): InputFormat {
  const format = InputFormat.probe(head);
  if (!format) throw notMedia(path, "is not a video or sound file");
  const refused = namesOf(format).find((name) => REFUSED_DEMUXERS.has(name));
  if (refused !== undefined) {
    throw notMedia(
      path,
      `is not a video or sound file itself, but a playlist or text (${refused})`,
    );
  }
  return format;
}

function namesOf(format: InputFormat): readonly string[] {
  return format.name?.split(",") ?? [];
}

function notMedia(path: string, what: string): LatentSyncError {
  return new LatentSyncError("invalid_media", `${path} ${what}.`, { hint: NOT_MEDIA_HINT });
}

/** FFmpeg's address of a local file: never taken for another protocol, whatever its name. */
export function fileUrl(path: string): string {
  return `file:${resolve(path)}`;
}

/** An open container. */
export class MediaInput implements AsyncDisposable {
  readonly path: string;
  readonly context: FormatContext;

  private constructor(path: string, context: FormatContext) {
    this.path = path;
    this.context = context;
  }

  /** @throws LatentSyncError `not_found`, `io` or `invalid_media`. */
  static async open(
    path: string,
    options: {
      readonly signal?: AbortSignal;
      readonly checkStreams?: (streams: readonly Stream[]) => void;
    } = {},
  ): Promise<MediaInput> {
    silenceFfmpeg();
    options.signal?.throwIfAborted();
    const format = await sniff(path);
    const context = new FormatContext();
    const input = new MediaInput(path, context);
    try {
      using dictionary = Dictionary.fromObject({
        protocol_whitelist: "file",
        format_whitelist: format.name ?? "",
        // QuickTime files may name others that hold their pictures.
        enable_drefs: 0,
        max_streams: MAX_STREAMS,
      });
      const failure = `${path} cannot be opened (it looks like ${format.longName ?? format.name}, but is damaged or incomplete)`;
      const opened = await context.openInput(fileUrl(path), format, dictionary);
      checkResult(opened, "invalid_media", failure, NOT_MEDIA_HINT);
      options.checkStreams?.(context.streams);
      options.signal?.throwIfAborted();
      checkResult(await context.findStreamInfo(), "invalid_media", failure, NOT_MEDIA_HINT);
      options.signal?.throwIfAborted();
    } catch (error) {
      await input[Symbol.asyncDispose]();
      throw error;
    }
    return input;
  }

  /** The stream of a type that a player would choose. */
  bestStream(type: AVMediaType): Stream | undefined {
    const index = this.context.findBestStream(type);
    return index < 0 ? undefined : this.context.streams[index];
  }

  /** Reads no other stream than this one. */
  select(stream: Stream): void {
    for (const other of this.context.streams) {
      if (other.index !== stream.index) other.discard = AVDISCARD_ALL;
    }
  }

  /** Start of the file in microseconds, 0 if it does not say. */
  get startMicroseconds(): bigint {
    const start = this.context.startTime;
    return start === AV_NOPTS_VALUE ? 0n : start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.context[Symbol.asyncDispose]();
  }
}
