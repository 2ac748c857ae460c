/** Small whole files in many containers and codecs, which fuzzing mutates. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createFfmpegVideoSink, createPictureVideo, type VideoCodec, writeVideo } from "@ls/video";
import sharp from "sharp";
import { writeTone } from "./sounds.ts";

const SIZE = { width: 64, height: 48 } as const;

/** Fixtures of other packages, which alone may use the codecs. */
interface VideoFixtures {
  writeVideo(video: object): Promise<string>;
}
interface SoundFixtures {
  transcode(wav: string, path: string, codec: string, filters: string): Promise<void>;
}

async function fixtures<T>(path: string): Promise<T> {
  return (await import(new URL(path, import.meta.url).href)) as T;
}

const VIDEOS: readonly (readonly [name: string, codec: VideoCodec])[] = [
  ["h264.mp4", "h264"],
  ["hevc.mp4", "hevc"],
  ["av1.mp4", "av1"],
  ["prores.mov", "prores"],
  ["ffv1.mkv", "ffv1"],
  ["h264.mkv", "h264"],
  ["vp9.webm", "vp9"],
];

const SOUNDS: readonly (readonly [name: string, codec: string, filters: string])[] = [
  ["sound.mp3", "libmp3lame", "aformat=sample_fmts=s16p"],
  ["sound.flac", "flac", "aformat=sample_fmts=s16"],
  ["opus.ogg", "libopus", "aformat=sample_fmts=s16:sample_rates=48000"],
  ["sound.m4a", "aac", "aformat=sample_fmts=fltp"],
];

/** Moving shades, so that every codec has something to predict. */
function picture(index: number): { width: number; height: number; data: Uint8Array } {
  const { width, height } = SIZE;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const [x, y] = [Math.floor(at / 3) % width, Math.floor(at / 3 / width)];
    return 128 + 100 * Math.sin((x + 3 * index + (at % 3) * 9) / 9) * Math.cos((y - index) / 7);
  });
  return { ...SIZE, data };
}

/** Writes every seed into a folder. @returns their names, in order. */
export async function writeSeeds(folder: string): Promise<readonly string[]> {
  const wav = await writeTone(join(folder, "sound.wav"), 0.5);
  for (const [name, codec] of VIDEOS) {
    await using source = createPictureVideo({ ...SIZE, frameCount: 12, picture });
    const sink = createFfmpegVideoSink({ codec });
    await writeVideo({ sink, source, audioPath: wav, path: join(folder, name) });
  }
  const { writeVideo: writeBare } = await fixtures<VideoFixtures>(
    "../../../video/test/ffmpeg-fixtures.ts",
  );
  const bare = { ...SIZE, frameCount: 12, encoder: "mpeg4", format: "yuv420p" };
  await writeBare({ ...bare, path: join(folder, "mpeg4.avi") });
  // As the product sets it: x264's AVX-512 code does not give the same bytes each time.
  const settings = { "x264-params": "cpu-independent=1" };
  await writeBare({ ...bare, path: join(folder, "mpeg4.ts"), encoder: "libx264", settings });
  const { transcode } = await fixtures<SoundFixtures>("../../../audio/test/fixtures.ts");
  for (const [name, codec, filters] of SOUNDS) {
    await transcode(wav, join(folder, name), codec, filters);
  }
  await numberPages(join(folder, "opus.ogg"));
  const images = await writeImages(folder);
  const names = [...VIDEOS, ...SOUNDS].map(([name]) => name);
  return [...names, "sound.wav", "mpeg4.avi", "mpeg4.ts", ...images].toSorted();
}

/** Gives an Ogg stream the number 1, in place of one that was drawn by lot. */
async function numberPages(path: string): Promise<void> {
  const file = await readFile(path);
  for (let page = 0; page < file.length;) {
    const segments = file.subarray(page + 27, page + 27 + file.readUInt8(page + 26));
    const end = page + 27 + segments.length + segments.reduce((sum, size) => sum + size, 0);
    file.writeUInt32LE(1, page + 14);
    file.writeUInt32LE(0, page + 22);
    file.writeUInt32LE(oggChecksum(file.subarray(page, end)), page + 22);
    page = end;
  }
  await writeFile(path, file);
}

/** CRC-32 of Ogg pages: the polynomial 0x04c11db7, highest bit first, from 0. Source: RFC 3533. */
function oggChecksum(page: Buffer): number {
  let sum = 0;
  for (const byte of page) {
    sum ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ 0x04c1_1db7 : sum << 1;
  }
  return sum >>> 0;
}

async function writeImages(folder: string): Promise<readonly string[]> {
  const { data } = picture(0);
  const image = sharp(data, { raw: { ...SIZE, channels: 3 } });
  const names = ["picture.png", "picture.jpg", "picture.gif", "picture.webp"];
  for (const name of names) await image.clone().toFile(join(folder, name));
  return names;
}
