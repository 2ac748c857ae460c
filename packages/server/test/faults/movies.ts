/** What an attacker would make of media, byte by byte. */

/**
 * A movie with the content of a box of its index changed, in the picture track if it is within one.
 * The new index goes to the end, so that pictures stay where the index says.
 */
function editIndex(
  movie: Buffer,
  path: readonly string[],
  edit: (content: Buffer) => Buffer,
): Buffer {
  const index = boxes(movie).find((box) => nameOf(box) === "moov");
  if (index === undefined) throw new Error("The movie has no index.");
  const edited = editBoxes(Buffer.from(index), ["moov", ...path], edit);
  return Buffer.concat([
    ...boxes(movie).map((box) => (nameOf(box) === "moov" ? renamed(box, "free") : box)),
    edited,
  ]);
}

function boxes(bytes: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    found.push(bytes.subarray(at, at + size));
    at += size;
  }
  return found;
}

function nameOf(box: Buffer): string {
  return box.toString("latin1", 4, 8);
}

function renamed(box: Buffer, name: string): Buffer {
  const copy = Buffer.from(box);
  copy.write(name, 4, "latin1");
  return copy;
}

function editBoxes(
  bytes: Buffer,
  path: readonly string[],
  edit: (content: Buffer) => Buffer,
): Buffer {
  const [name, ...rest] = path;
  return Buffer.concat(
    boxes(bytes).map((box) => {
      const isMeant = nameOf(box) === name && (name !== "trak" || box.includes("vmhd"));
      if (!isMeant) return box;
      const content = box.subarray(8);
      const edited = rest.length === 0 ? edit(content) : editBoxes(content, rest, edit);
      const head = Buffer.from(box.subarray(0, 8));
      head.writeUInt32BE(8 + edited.length, 0);
      return Buffer.concat([head, edited]);
    }),
  );
}

const TRACK = ["trak", "mdia", "minf"];
const TABLES = [...TRACK, "stbl"];

/** Frames that are shown for a half and for one and a half of their time, in turn. */
export function withVariableRate(movie: Buffer): Buffer {
  return editIndex(movie, [...TABLES, "stts"], (content) => {
    const [count, duration] = [content.readUInt32BE(8), content.readUInt32BE(12)];
    const table = Buffer.alloc(8 + 8 * count);
    table.writeUInt32BE(count, 4);
    for (let frame = 0; frame < count; frame++) {
      table.writeUInt32BE(1, 8 + 8 * frame);
      table.writeUInt32BE(frame % 2 === 0 ? duration / 2 : duration * 1.5, 12 + 8 * frame);
    }
    return table;
  });
}

export function withoutFrames(movie: Buffer): Buffer {
  let empty = movie;
  for (const name of ["stts", "stsc", "stco", "ctts", "stss"]) {
    empty = editIndex(empty, [...TABLES, name], () => Buffer.alloc(8));
  }
  return editIndex(empty, [...TABLES, "stsz"], () => Buffer.alloc(12));
}

/** A movie without its pictures, which says that they lie at a URL. */
export function withPicturesAt(movie: Buffer, url: string): Buffer {
  const location = Buffer.from(`${url}\0`, "latin1");
  return withReference(movie, "url ", location);
}

/** The same, as QuickTime does it: an alias with a path from the root of the disk. */
export function withAliasOf(movie: Buffer, path: string): Buffer {
  const alias = Buffer.alloc(150);
  // How many folders up and down lead from this file to the other one.
  alias.writeUInt16BE(1, 130);
  alias.writeUInt16BE(1, 132);
  const name = Buffer.from(path, "latin1");
  const entry = Buffer.alloc(4 + name.length + (name.length % 2));
  entry.writeUInt16BE(2, 0);
  entry.writeUInt16BE(name.length, 2);
  name.copy(entry, 4);
  const end = Buffer.from([0xff, 0xff, 0, 0]);
  return withReference(movie, "alis", Buffer.concat([alias, entry, end]));
}

function withReference(movie: Buffer, kind: string, content: Buffer): Buffer {
  const edited = editIndex(movie, [...TRACK, "dinf", "dref"], () =>
    Buffer.concat([
      numbers(0, 1, 12 + content.length),
      Buffer.from(kind, "latin1"),
      numbers(0),
      content,
    ]),
  );
  const parts = boxes(edited).map((box) =>
    nameOf(box) === "mdat"
      ? Buffer.concat([box.subarray(0, 8), Buffer.alloc(box.length - 8)])
      : box,
  );
  return Buffer.concat(parts);
}

function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

/** A WAV file of 16 kHz, 16 bits, one channel, whose header may say more than there is. */
export function wav(samples: Buffer, claimedBytes = samples.length): Buffer {
  const head = Buffer.from("RIFF\0\0\0\0WAVEfmt ", "latin1");
  head.writeUInt32LE(Math.min(claimedBytes + 36, 0xffff_ffff), 4);
  const format = Buffer.alloc(28);
  format.writeUInt32LE(16, 0);
  format.writeUInt16LE(1, 4);
  format.writeUInt16LE(1, 6);
  format.writeUInt32LE(16_000, 8);
  format.writeUInt32LE(32_000, 12);
  format.writeUInt16LE(2, 16);
  format.writeUInt16LE(16, 18);
  format.write("data", 20, "latin1");
  format.writeUInt32LE(claimedBytes, 24);
  return Buffer.concat([head, format, samples]);
}
