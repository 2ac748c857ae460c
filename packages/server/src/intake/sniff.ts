/**
 * Looks at the first bytes of what a client sent, before any decoder does. Only formats of the list
 * below pass; names and content types are not believed. Playlists and descriptions of streams, which
 * could lead a decoder to other files and addresses, are not on the list.
 */
import { type FileHandle, open } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { toSystemError } from "../storage/system-error.ts";
import { describeText } from "./text-kind.ts";

export type MediaFormat =
  | "aac"
  | "aiff"
  | "avi"
  | "flac"
  | "flv"
  | "jpeg"
  | "matroska"
  | "mp3"
  | "mp4"
  | "mpeg"
  | "mpegts"
  | "ogg"
  | "png"
  | "wav"
  | "webp";

/** What a job takes as its video and as its speech. */
const ACCEPTED: Readonly<Record<"video" | "audio", ReadonlySet<MediaFormat>>> = {
  video: new Set(["avi", "flv", "jpeg", "matroska", "mp4", "mpeg", "mpegts", "ogg", "png", "webp"]),
  audio: new Set([
    "aac",
    "aiff",
    "avi",
    "flac",
    "flv",
    "matroska",
    "mp3",
    "mp4",
    "mpeg",
    "mpegts",
    "ogg",
    "wav",
  ]),
};

const HEAD_BYTES = 4096;
/** Decoders look for the format behind such tags; a file with more of them has something to hide. */
const MAX_TAGS = 4;
const TAG_HEADER_BYTES = 10;

/**
 * The container format of a file, recognised by its first bytes.
 * @throws LatentSyncError `forbidden` for playlists and the like, `invalid_media` for everything
 * else that is not accepted; `io`; the signal's reason on abort. Messages hold no paths.
 */
export async function checkMedia(
  path: string,
  kind: "video" | "audio",
  options: { readonly signal?: AbortSignal } = {},
): Promise<MediaFormat> {
  options.signal?.throwIfAborted();
  try {
    await using handle = await open(path, "r");
    const status = await handle.stat();
    if (!status.isFile() || status.size === 0) throw invalid(kind, "is empty");
    const { head, isTagged } = await readHead(handle, kind);
    options.signal?.throwIfAborted();
    const format = recognise(head);
    if (format === undefined) throw notMedia(head, kind);
    if (!ACCEPTED[kind].has(format) || (isTagged && !["aac", "flac", "mp3"].includes(format))) {
      throw invalid(kind, `is of the format ${format}, which is not taken here`);
    }
    return format;
  } catch (error) {
    throw toSystemError(error, `Reading the ${kind}`);
  }
}

/** The first bytes behind any ID3v2 tags. */
async function readHead(
  handle: FileHandle,
  kind: string,
): Promise<{ readonly head: Buffer; readonly isTagged: boolean }> {
  let position = 0;
  for (let tags = 0; tags <= MAX_TAGS; tags++) {
    const bytes = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await handle.read(bytes, 0, HEAD_BYTES, position);
    const head = bytes.subarray(0, bytesRead);
    const tagBytes = id3Bytes(head);
    if (tagBytes === undefined) return { head, isTagged: position > 0 };
    position += tagBytes;
  }
  throw invalid(kind, `begins with more than ${MAX_TAGS} tags`);
}

/** Length of an ID3v2 tag: four bytes of seven bits, and a footer if a flag says so. */
function id3Bytes(head: Buffer): number | undefined {
  if (head.length < TAG_HEADER_BYTES || head.toString("latin1", 0, 3) !== "ID3") return undefined;
  const size = head.subarray(6, 10).reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  const hasFooter = (head.readUInt8(5) & 0x10) !== 0;
  return size + TAG_HEADER_BYTES * (hasFooter ? 2 : 1);
}

type Recogniser = (head: Buffer) => boolean;

const starts =
  (...prefixes: readonly (string | readonly number[])[]): Recogniser =>
  (head) =>
    prefixes.some((prefix) => {
      const bytes =
        typeof prefix === "string" ? Buffer.from(prefix, "latin1") : Buffer.from(prefix);
      return head.subarray(0, bytes.length).equals(bytes);
    });

const fourAt = (head: Buffer, at: number): string => head.toString("latin1", at, at + 4);
const riff =
  (containers: readonly string[], form: string): Recogniser =>
  (head) =>
    containers.includes(fourAt(head, 0)) && fourAt(head, 8) === form;

/** First boxes of MP4 and QuickTime files. */
const FIRST_BOXES: ReadonlySet<string> = new Set([
  "ftyp",
  "free",
  "mdat",
  "moov",
  "pnot",
  "skip",
  "wide",
]);

const RECOGNISERS: Readonly<Record<MediaFormat, Recogniser>> = {
  mp4: (head) => FIRST_BOXES.has(fourAt(head, 4)),
  matroska: (head) =>
    starts([0x1a, 0x45, 0xdf, 0xa3])(head) && /matroska|webm/.test(head.toString("latin1", 0, 128)),
  avi: riff(["RIFF"], "AVI "),
  wav: riff(["RIFF", "RIFX", "RF64", "BW64"], "WAVE"),
  webp: riff(["RIFF"], "WEBP"),
  aiff: (head) => fourAt(head, 0) === "FORM" && /^AIF[FC]$/.test(fourAt(head, 8)),
  flac: starts("fLaC"),
  ogg: starts("OggS"),
  flv: starts([0x46, 0x4c, 0x56, 0x01]),
  png: starts([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
  jpeg: starts([0xff, 0xd8, 0xff]),
  mpeg: starts([0, 0, 1, 0xba]),
  mpegts: isTransportStream,
  aac: (head) => head.length >= 7 && head[0] === 0xff && ((head[1] ?? 0) & 0xf6) === 0xf0,
  mp3: isMpegAudio,
};

function recognise(head: Buffer): MediaFormat | undefined {
  for (const [format, isFormat] of Object.entries(RECOGNISERS)) {
    if (isFormat(head)) return format as MediaFormat;
  }
  return undefined;
}

/** Packets of 188 bytes, or of 192 with a time stamp before each. */
function isTransportStream(head: Buffer): boolean {
  const isPacketStart = (at: number): boolean => head[at] === 0x47;
  return [
    [0, 188],
    [4, 192],
  ].some(([start = 0, step = 0]) => [0, 1, 2].every((n) => isPacketStart(start + n * step)));
}

/** A frame of MPEG audio, layer II or III, with a bit rate and a sample rate that exist. */
function isMpegAudio(head: Buffer): boolean {
  if (head.length < 4) return false;
  const header = head.readUInt32BE(0);
  const layer = (header >>> 17) & 3;
  const version = (header >>> 19) & 3;
  const bitRate = (header >>> 12) & 15;
  const sampleRate = (header >>> 10) & 3;
  const isSync = header >>> 21 === 0x7ff;
  return (
    isSync && version !== 1 && (layer === 1 || layer === 2) && bitRate !== 15 && sampleRate !== 3
  );
}

function notMedia(head: Buffer, kind: string): LatentSyncError {
  const text = describeText(head);
  if (text === undefined) return invalid(kind, "is of no format that is taken here");
  if (!text.leadsElsewhere) return invalid(kind, `is ${text.name}, not media`);
  return new LatentSyncError(
    "forbidden",
    `The ${kind} is ${text.name}, which leads to other files; it is not followed.`,
    { hint: "Give the media file itself, for example an MP4." },
  );
}

function invalid(kind: string, problem: string): LatentSyncError {
  return new LatentSyncError("invalid_media", `The ${kind} ${problem}.`, {
    hint:
      kind === "audio"
        ? "Give a WAV, MP3, FLAC, Ogg, M4A, MP4, MOV, MKV, WebM or MPEG-TS file."
        : "Give an MP4, MOV, MKV, WebM, AVI, MPEG-TS, FLV or Ogg file, or a PNG, JPEG or WebP picture.",
  });
}
