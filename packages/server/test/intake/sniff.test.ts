import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LatentSyncError } from "@ls/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkMedia } from "../../src/intake/sniff.ts";
import { type TemporaryFolder, temporaryFolder } from "../storage/temporary-folder.ts";

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

async function file(content: string | Uint8Array): Promise<string> {
  const path = join(folder.path, "secret-path.mp4");
  await writeFile(path, content);
  return path;
}

async function refusal(
  content: string | Uint8Array,
  kind: "video" | "audio",
): Promise<LatentSyncError> {
  const error: unknown = await checkMedia(await file(content), kind).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!LatentSyncError.is(error)) throw new Error(`Not refused: ${String(error)}`);
  expect(error.message).not.toContain("secret-path");
  expect(error.hint).toBeDefined();
  return error;
}

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const padded = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat([
    ...parts.map((part) => (typeof part === "string" ? latin(part) : Buffer.from(part))),
    Buffer.alloc(600),
  ]);
const transportStream = (lead: number): Buffer => {
  const bytes = Buffer.alloc(1000);
  for (let at = lead; at < bytes.length; at += 188 + lead) bytes[at] = 0x47;
  return bytes;
};
const id3 = (size: number): Buffer =>
  Buffer.concat([
    latin("ID3\x04\0\0"),
    Buffer.from([0, 0, size >> 7, size & 0x7f]),
    Buffer.alloc(size),
  ]);

describe("media", () => {
  it.each([
    ["mp4", padded([0, 0, 0, 32], "ftypisom"), true, true],
    ["mp4", padded([0, 0, 0, 8], "wide"), true, true],
    ["mp4", padded([0, 0, 1, 0], "moov"), true, true],
    ["matroska", padded([0x1a, 0x45, 0xdf, 0xa3, 0x8b, 0x42, 0x82, 0x84], "webm"), true, true],
    ["avi", padded("RIFF", [1, 0, 0, 0], "AVI LIST"), true, true],
    ["mpegts", transportStream(0), true, true],
    ["mpegts", transportStream(4), true, true],
    ["mpeg", padded([0, 0, 1, 0xba]), true, true],
    ["flv", padded("FLV\x01"), true, true],
    ["ogg", padded("OggS"), true, true],
    ["png", padded([0x89], "PNG\r\n\x1a\n"), true, false],
    ["jpeg", padded([0xff, 0xd8, 0xff, 0xe0]), true, false],
    ["webp", padded("RIFF", [1, 0, 0, 0], "WEBPVP8 "), true, false],
    ["wav", padded("RIFF", [1, 0, 0, 0], "WAVEfmt "), false, true],
    ["wav", padded("RF64", [255, 255, 255, 255], "WAVEds64"), false, true],
    ["flac", padded("fLaC"), false, true],
    ["aiff", padded("FORM", [0, 0, 0, 9], "AIFCFVER"), false, true],
    ["aac", padded([0xff, 0xf1, 0x50, 0x80]), false, true],
    ["mp3", padded([0xff, 0xfb, 0x90, 0x64]), false, true],
    ["mp3", Buffer.concat([id3(5000), padded([0xff, 0xfb, 0x90, 0x64])]), false, true],
    ["flac", Buffer.concat([id3(0), id3(300), padded("fLaC")]), false, true],
  ] as const)("%s is recognised (%#)", async (format, bytes, isVideo, isAudio) => {
    for (const [kind, isTaken] of [
      ["video", isVideo],
      ["audio", isAudio],
    ] as const) {
      if (isTaken) expect(await checkMedia(await file(bytes), kind)).toBe(format);
      else expect((await refusal(bytes, kind)).message).toContain(format);
    }
  });
});

describe("what leads elsewhere", () => {
  it.each([
    ["HLS", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n"],
    ["HLS", "\ufeff#EXTM3U\nhttp://169.254.169.254/\n"],
    ["HLS", "\n\n  #EXTM3U\n"],
    ["HLS", Buffer.from("\ufeff#EXTM3U\nfile:///etc/passwd\n", "utf16le")],
    ["HLS", Buffer.concat([id3(0), latin("#EXTM3U\nfile:///etc/passwd\n")])],
    ["HLS", Buffer.concat([id3(400), id3(20), latin("#EXTM3U\nfile:///etc/passwd\n")])],
    ["concat", "ffconcat version 1.0\nfile /etc/passwd\n"],
    ["concat", "file '/etc/passwd'\n"],
    ["address", "subfile,,start,0,end,100,,:/etc/passwd"],
    ["address", "concat:/etc/passwd|/etc/hosts"],
    ["address", "http://169.254.169.254/"],
    ["XML", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
    ["XML", "<MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>"],
    ["XML", "<asx version='3.0'><entry/></asx>"],
    ["SDP", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"],
    ["playlist", "[playlist]\nFile1=/etc/passwd\n"],
    ["index", "# VobSub index file, v7\n"],
  ])("%s is forbidden (%#)", async (name, content) => {
    for (const kind of ["video", "audio"] as const) {
      const error = await refusal(content, kind);
      expect(error.code).toBe("forbidden");
      expect(error.message).toContain(name);
    }
  });
});

describe("what is not media", () => {
  it.each([
    ["nothing", ""],
    ["one byte", "x"],
    ["one byte of sync", Buffer.from([0xff])],
    ["a letter", "Dear reader,\nthis is not a video.\n"],
    ["a web page", "<!doctype html><html><body>404</body></html>"],
    ["an archive", padded("PK\x03\x04")],
    ["a program", padded("\x7fELF")],
    ["zeros", Buffer.alloc(5000)],
    ["Matroska of another kind", padded([0x1a, 0x45, 0xdf, 0xa3], "something")],
    ["a tag alone", id3(100)],
    ["many tags", Buffer.concat([id3(0), id3(0), id3(0), id3(0), id3(0), padded("fLaC")])],
    ["a tag before a video", Buffer.concat([id3(0), padded([0, 0, 0, 32], "ftypisom")])],
    ["RIFF of another kind", padded("RIFF", [1, 0, 0, 0], "ACON")],
  ])("%s is refused", async (_name, content) => {
    for (const kind of ["video", "audio"] as const) {
      expect((await refusal(content, kind)).code).toBe("invalid_media");
    }
  });

  it("a folder is refused, and an abort ends with its reason", async () => {
    const path = join(folder.path, "folder.mp4");
    await mkdir(path);
    await expect(checkMedia(path, "video")).rejects.toThrow(LatentSyncError);
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(checkMedia(path, "video", { signal })).rejects.toBe(reason);
  });
});
