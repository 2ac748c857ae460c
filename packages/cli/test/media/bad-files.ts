/** Inputs and outputs that a run must refuse, each with what it is refused as. */
import { execFileSync } from "node:child_process";
import { link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LatentSyncErrorCode } from "@ls/core";
import { hugeAvi, hugePng } from "@ls/testing";

/** Files that are fit for a run. */
export interface GoodFiles {
  readonly video: Buffer;
  readonly speech: Buffer;
}

export interface BadCase {
  readonly name: string;
  readonly role: "video" | "audio" | "out";
  readonly codes: readonly LatentSyncErrorCode[];
  /** Makes what the role's path is to be, in an empty folder. @returns the path. */
  make(folder: string, good: GoodFiles): Promise<string>;
}

const MEDIA = ["invalid_media"] as const;
const REFUSED = ["invalid_media", "unsupported", "too_large"] as const;

/** A file of its own content. */
function content(
  role: "video" | "audio",
  name: string,
  make: (good: GoodFiles) => Buffer | string,
  codes: readonly LatentSyncErrorCode[] = MEDIA,
  extension = role === "video" ? "mp4" : "wav",
): BadCase {
  return {
    name,
    role,
    codes,
    make: async (folder, good) => {
      const path = join(folder, `input.${extension}`);
      await writeFile(path, make(good));
      return path;
    },
  };
}

/** Something at a path that is no file of media. */
function place(
  role: BadCase["role"],
  name: string,
  codes: readonly LatentSyncErrorCode[],
  make: BadCase["make"],
): BadCase {
  return { name, role, codes, make };
}

const texts: readonly (readonly [string, string])[] = [
  ["a letter", "Dear reader,\nthis is no video.\n".repeat(30)],
  ["a web page", "<!doctype html><html><body>404</body></html>"],
  ["an HLS playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n"],
  ["a concat script", "ffconcat version 1.0\nfile '/etc/passwd'\n"],
  ["a DASH manifest", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
  ["a session description", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"],
];

const isPosix = process.platform !== "win32";

/** What is neither a video nor speech. */
function neither(role: "video" | "audio"): readonly BadCase[] {
  const written = texts.map(([name, text]) => content(role, `${name} named as media`, () => text));
  const places = [
    content(role, "an empty file", () => ""),
    content(role, "one byte", () => "x"),
    content(role, "random bytes", () => noise(40_000)),
    place(role, "a folder", MEDIA, async (folder) => {
      await mkdir(join(folder, "folder.mp4"));
      return join(folder, "folder.mp4");
    }),
    place(role, "nothing", ["not_found"], async (folder) => join(folder, "no.mp4")),
    place(role, "a link to itself", ["io"], async (folder) => {
      await symlink("loop.mp4", join(folder, "loop.mp4"));
      return join(folder, "loop.mp4");
    }),
    place(role, "a name with a newline and quotes that is not there", ["not_found"], async (at) =>
      join(at, "no \"quoted\" 'it' \n%s é 視 .mp4"),
    ),
  ];
  return [...written, ...places, ...(isPosix ? devices(role) : [])];
}

function devices(role: "video" | "audio"): readonly BadCase[] {
  return [
    place(role, "a pipe", MEDIA, async (folder) => {
      execFileSync("mkfifo", [join(folder, "pipe.mp4")]);
      return join(folder, "pipe.mp4");
    }),
    place(role, "/dev/zero", MEDIA, async () => "/dev/zero"),
    place(role, "/dev/null", MEDIA, async () => "/dev/null"),
  ];
}

/** Every case that can be made here. */
export const BAD_CASES: readonly BadCase[] = [
  ...neither("video"),
  ...neither("audio"),
  content("video", "60 % of an MP4", ({ video }) => cut(video, 0.6)),
  content("video", "an MP4 without its last byte", ({ video }) => video.subarray(0, -1)),
  content("video", "the first 100 bytes of an MP4", ({ video }) => video.subarray(0, 100)),
  content("video", "an MP4 with no frame in its index", ({ video }) => withoutFrames(video)),
  content("video", "sound alone", ({ speech }) => speech, MEDIA, "wav"),
  content("video", "a PNG of 60000x60000", () => hugePng(60_000), REFUSED, "png"),
  content("video", "an AVI of 60000x60000", () => hugeAvi(60_000), REFUSED, "avi"),
  content("audio", "60 % of a WAV", ({ speech }) => cut(speech, 0.6)),
  content("audio", "a WAV that claims 4 GB", ({ speech }) => lying(speech, 40, 4_000_000_000)),
  content("audio", "a WAV of 0 Hz", ({ speech }) => lying(speech, 24, 0)),
  content("audio", "a WAV of 4 GHz", ({ speech }) => lying(speech, 24, 4_000_000_000)),
  content("audio", "a WAV without samples", ({ speech }) => emptied(speech)),
  content("audio", "a picture", () => hugePng(8), REFUSED, "png"),
  place("audio", "a video without sound", MEDIA, async (folder, { video }) => {
    await writeFile(join(folder, "silent.mp4"), withoutSound(video));
    return join(folder, "silent.mp4");
  }),
  place("out", "a folder that is not there", ["not_found"], async (at) => join(at, "no/o.mp4")),
  place("out", "below a file", ["not_found"], async (folder) => {
    await writeFile(join(folder, "file"), "");
    return join(folder, "file/o.mp4");
  }),
  place("out", "a folder", ["invalid_argument"], async (folder) => {
    await mkdir(join(folder, "o.mp4"));
    return join(folder, "o.mp4");
  }),
  place("out", "an unknown container", ["invalid_argument"], async (at) => join(at, "o.xyz")),
];

/** Outputs that are an input by another name. */
export const LINKS: readonly (readonly [string, (from: string, to: string) => Promise<void>])[] = [
  ["a symbolic link", (from, to) => symlink(from, to)],
  ["a hard link", (from, to) => link(from, to)],
];

const cut = (bytes: Buffer, share: number): Buffer =>
  bytes.subarray(0, Math.floor(bytes.length * share));

function noise(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * at * 31 + (at >> 3) * 7) & 0xff));
}

/** A WAV file with another number in its header. */
function lying(wav: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(wav);
  copy.writeUInt32LE(value, at);
  return copy;
}

function emptied(wav: Buffer): Buffer {
  return lying(lying(wav.subarray(0, 44), 40, 0), 4, 36);
}

/** The tables of the picture track say that there is nothing. */
function withoutFrames(movie: Buffer): Buffer {
  return renamed(movie, ["stts", "stsz", "stsc", "stco"]);
}

/** The sound track counts as free space. */
function withoutSound(movie: Buffer): Buffer {
  const copy = Buffer.from(movie);
  for (let at = copy.indexOf("trak"); at >= 0; at = copy.indexOf("trak", at + 1)) {
    const track = copy.subarray(at, at - 4 + copy.readUInt32BE(at - 4));
    if (track.includes("soun")) copy.write("free", at, "latin1");
  }
  return copy;
}

function renamed(movie: Buffer, names: readonly string[]): Buffer {
  const copy = Buffer.from(movie);
  for (const name of names) {
    for (let at = copy.indexOf(name); at >= 0; at = copy.indexOf(name, at + 1)) {
      copy.write("free", at, "latin1");
    }
  }
  return copy;
}
