/** CRC-32C (Castagnoli) as in RFC 3720, which Google Cloud Storage states of every object. */

const REVERSED_POLYNOMIAL = 0x82f6_3b78;

function createTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = (value >>> 1) ^ ((value & 1) * REVERSED_POLYNOMIAL);
    }
    table[byte] = value;
  }
  return table;
}

let sharedTable: Uint32Array | undefined;

/** A running checksum, used like a hash of `node:crypto`. */
export class Crc32c {
  readonly #table: Uint32Array;
  #value = 0xffff_ffff;

  constructor() {
    sharedTable ??= createTable();
    this.#table = sharedTable;
  }

  update(bytes: Uint8Array): this {
    const table = this.#table;
    let value = this.#value;
    for (let at = 0; at < bytes.length; at++) {
      value = (value >>> 8) ^ (table[(value ^ (bytes[at] as number)) & 0xff] as number);
    }
    this.#value = value;
    return this;
  }

  /** Base64 of the four bytes, highest first. */
  digest(_encoding: "base64"): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((this.#value ^ 0xffff_ffff) >>> 0);
    return bytes.toString("base64");
  }
}
