/** Small pickles and torch archives, put together by hand. */
import { open } from "node:fs/promises";
import { FileSink } from "@ls/files";
import { ZipWriter } from "../src/checkpoint/zip-writer.ts";

export type Piece = string | number | readonly Piece[] | Uint8Array;

/** Bytes of numbers (one byte each), texts (latin1) and lists of them. */
export function bytes(...pieces: readonly Piece[]): Buffer {
  return Buffer.concat(
    pieces.map((piece) => {
      if (typeof piece === "string") return Buffer.from(piece, "latin1");
      if (typeof piece === "number") return Buffer.from([piece]);
      return piece instanceof Uint8Array ? Buffer.from(piece) : bytes(...piece);
    }),
  );
}

/** BINUNICODE */
export function text(value: string): Buffer {
  const head = Buffer.alloc(5);
  head.write("X", 0, "latin1");
  head.writeUInt32LE(Buffer.byteLength(value), 1);
  return Buffer.concat([head, Buffer.from(value)]);
}

/** BININT */
export function integer(value: number): Buffer {
  const chunk = Buffer.alloc(5);
  chunk.write("J", 0, "latin1");
  chunk.writeInt32LE(value, 1);
  return chunk;
}

export function tuple(...items: readonly Piece[]): Buffer {
  return bytes("(", items, "t");
}

export interface FixtureTensor {
  readonly storage: string;
  readonly key: string;
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export function tensor(fixture: FixtureTensor): Buffer {
  const { storage, key, elements, offset = 0, shape, strides } = fixture;
  const id = tuple(
    text("storage"),
    `ctorch\n${storage}\n`,
    text(key),
    text("cpu"),
    integer(elements),
  );
  return bytes(
    "ctorch._utils\n_rebuild_tensor_v2\n",
    tuple(
      [id, "Q"],
      integer(offset),
      tuple(...shape.map(integer)),
      tuple(...strides.map(integer)),
      0x89,
      "ccollections\nOrderedDict\n)R",
    ),
    "R",
  );
}

/** A pickle of a dictionary. */
export function pickle(items: Readonly<Record<string, Piece>>): Buffer {
  return bytes(
    0x80,
    2,
    "}(",
    Object.entries(items).map(([key, value]) => [text(key), value]),
    "u.",
  );
}

/** Writes an archive of records under `archive/`. */
export async function writeArchive(
  path: string,
  records: Readonly<Record<string, Uint8Array>>,
  zip64Over?: number,
): Promise<void> {
  await using handle = await open(path, "w");
  const zip = new ZipWriter(new FileSink(handle), zip64Over);
  for (const [name, data] of Object.entries(records)) await zip.add(`archive/${name}`, data);
  await zip.finish();
}

export function elementBytes(
  values: Float32Array | Float64Array | Uint16Array | BigInt64Array | Int32Array,
): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
