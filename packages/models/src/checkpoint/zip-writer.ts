/** Writes zips as torch does: entries stored, their data aligned to 64 bytes, zip64 where needed. */
import { crc32 } from "node:zlib";
import type { FileSink } from "@ls/files";

const ALIGNMENT = 64;
const UTF8_NAMES = 0x0800;
const ZIP64_VERSION = 45;
const MAXIMUM_32 = 0xffffffff;
const MAXIMUM_16 = 0xffff;

interface WrittenEntry {
  readonly name: Buffer;
  readonly crc: number;
  readonly size: number;
  readonly position: number;
}

function zip64Field(...values: readonly number[]): Buffer {
  const field = Buffer.alloc(4 + values.length * 8);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(values.length * 8, 2);
  for (const [index, value] of values.entries()) {
    field.writeBigUInt64LE(BigInt(value), 4 + index * 8);
  }
  return field;
}

/** torch's own padding field: the letters FB, a length, and filling. */
function paddingField(dataPosition: number): Buffer {
  const length = (ALIGNMENT - ((dataPosition + 4) % ALIGNMENT)) % ALIGNMENT;
  const field = Buffer.alloc(4 + length, "Z");
  field.write("FB", 0, "latin1");
  field.writeUInt16LE(length, 2);
  return field;
}

export class ZipWriter {
  readonly #sink: FileSink;
  readonly #entries: WrittenEntry[] = [];
  readonly #zip64Over: number;

  /** @param zip64Over sizes and positions from this on are written in the zip64 way. */
  constructor(sink: FileSink, zip64Over: number = MAXIMUM_32) {
    this.#sink = sink;
    this.#zip64Over = zip64Over;
  }

  /** Appends an entry. */
  async add(name: string, data: Uint8Array): Promise<void> {
    const entry: WrittenEntry = {
      name: Buffer.from(name, "utf8"),
      crc: crc32(data),
      size: data.length,
      position: this.#sink.position,
    };
    const isLarge = entry.size >= this.#zip64Over;
    const sizes = isLarge ? zip64Field(entry.size, entry.size) : Buffer.alloc(0);
    const padding = paddingField(entry.position + 30 + entry.name.length + sizes.length);
    const extra = Buffer.concat([sizes, padding]);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(isLarge ? ZIP64_VERSION : 20, 4);
    header.writeUInt16LE(UTF8_NAMES, 6);
    header.writeUInt32LE(entry.crc, 14);
    header.writeUInt32LE(isLarge ? MAXIMUM_32 : entry.size, 18);
    header.writeUInt32LE(isLarge ? MAXIMUM_32 : entry.size, 22);
    header.writeUInt16LE(entry.name.length, 26);
    header.writeUInt16LE(extra.length, 28);
    await this.#sink.write(Buffer.concat([header, entry.name, extra]));
    await this.#sink.write(data);
    this.#entries.push(entry);
  }

  /** Writes the directory; nothing may be added after it. */
  async finish(): Promise<void> {
    const start = this.#sink.position;
    for (const entry of this.#entries) await this.#sink.write(this.#directoryRecord(entry));
    const size = this.#sink.position - start;
    const count = this.#entries.length;
    const isLarge = start >= this.#zip64Over || size >= this.#zip64Over || count >= MAXIMUM_16;
    if (isLarge) await this.#sink.write(zip64End(start, size, count));
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(isLarge ? MAXIMUM_16 : count, 8);
    end.writeUInt16LE(isLarge ? MAXIMUM_16 : count, 10);
    end.writeUInt32LE(isLarge ? MAXIMUM_32 : size, 12);
    end.writeUInt32LE(isLarge ? MAXIMUM_32 : start, 16);
    await this.#sink.write(end);
  }

  #directoryRecord(entry: WrittenEntry): Buffer {
    const isLarge = entry.size >= this.#zip64Over;
    const isFar = entry.position >= this.#zip64Over;
    const values = [
      ...(isLarge ? [entry.size, entry.size] : []),
      ...(isFar ? [entry.position] : []),
    ];
    const extra = values.length > 0 ? zip64Field(...values) : Buffer.alloc(0);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(values.length > 0 ? ZIP64_VERSION : 20, 4);
    record.writeUInt16LE(values.length > 0 ? ZIP64_VERSION : 20, 6);
    record.writeUInt16LE(UTF8_NAMES, 8);
    record.writeUInt32LE(entry.crc, 16);
    record.writeUInt32LE(isLarge ? MAXIMUM_32 : entry.size, 20);
    record.writeUInt32LE(isLarge ? MAXIMUM_32 : entry.size, 24);
    record.writeUInt16LE(entry.name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(isFar ? MAXIMUM_32 : entry.position, 42);
    return Buffer.concat([record, entry.name, extra]);
  }
}

function zip64End(start: number, size: number, count: number): Buffer {
  const end = Buffer.alloc(76);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(ZIP64_VERSION, 12);
  end.writeUInt16LE(ZIP64_VERSION, 14);
  end.writeBigUInt64LE(BigInt(count), 24);
  end.writeBigUInt64LE(BigInt(count), 32);
  end.writeBigUInt64LE(BigInt(size), 40);
  end.writeBigUInt64LE(BigInt(start), 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(BigInt(start + size), 64);
  end.writeUInt32LE(1, 72);
  return end;
}
