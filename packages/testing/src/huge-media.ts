/** Small files whose headers claim pictures of any size, as an attacker would make them. */
import { crc32, deflateSync } from "node:zlib";

/** Bytes of content behind a header, whatever it claims. */
const CONTENT_BYTES = 1000;

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** A PNG file of `side` x `side` pixels by its header: 14 GB at 60000, in a few bytes. */
export function hugePng(side: number): Buffer {
  const chunk = (type: string, content: Buffer): Buffer => {
    const named = Buffer.concat([latin1(type), content]);
    return Buffer.concat([numbers(content.length), named, numbers(crc32(named))]);
  };
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", Buffer.concat([numbers(side, side), Buffer.from([8, 6, 0, 0, 0])])),
    chunk("IDAT", deflateSync(Buffer.alloc(CONTENT_BYTES))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/**
 * An AVI file of raw pictures of `side` x `side` pixels by its header, with a few bytes of the first
 * one.
 */
export function hugeAvi(side: number): Buffer {
  const little = (...values: readonly number[]): Buffer => numbers(...values).swap32();
  const chunk = (type: string, ...parts: readonly Buffer[]): Buffer => {
    const content = Buffer.concat(parts);
    return Buffer.concat([latin1(type), little(content.length), content]);
  };
  const main = little(40_000, 0, 0, 0x10, 1, 0, 1, 0, side, side, 0, 0, 0, 0);
  const stream = [latin1("vidsDIB "), little(0, 0, 0, 1, 25, 0, 1, 0, 0, 0, 0, 0)];
  const format = little(40, side, side, 1 + (24 << 16), 0, 0, 0, 0, 0, 0);
  const track = chunk("LIST", latin1("strl"), chunk("strh", ...stream), chunk("strf", format));
  const header = chunk("LIST", latin1("hdrl"), chunk("avih", main), track);
  const pictures = chunk("LIST", latin1("movi"), chunk("00db", Buffer.alloc(CONTENT_BYTES)));
  return chunk("RIFF", latin1("AVI "), header, pictures);
}
