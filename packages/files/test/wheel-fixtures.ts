/** Wheels made by tests, with the lies that a test asks for. */
import { createHash } from "node:crypto";
import { crc32, deflateRawSync } from "node:zlib";

export interface FixtureFile {
  readonly name: string;
  readonly content: Buffer;
  /** What the directory says instead of the true length. */
  readonly claimedSize?: number;
  /** What the record says instead of the truth; null for no line. */
  readonly recorded?: Buffer | null;
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function localHeader(name: Buffer, content: Buffer, packed: Buffer, size: number): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(crc32(content), 14);
  header.writeUInt32LE(packed.length, 18);
  header.writeUInt32LE(size, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name, packed]);
}

function directoryEntry(local: Buffer, name: Buffer, position: number): Buffer {
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(20, 4);
  local.copy(entry, 6, 4, 30);
  entry.writeUInt32LE(position, 42);
  return Buffer.concat([entry, name]);
}

/** A zip of files, deflated. */
function makeZip(files: readonly FixtureFile[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const { name, content, claimedSize = content.length } of files) {
    const bytes = Buffer.from(name);
    const local = localHeader(bytes, content, deflateRawSync(content), claimedSize);
    directory.push(directoryEntry(local, bytes, position));
    parts.push(local);
    position += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...parts, central, end]);
}

/** A wheel: its files, and a RECORD of them. */
export function makeWheel(project: string, files: readonly FixtureFile[]): Buffer {
  const lines = files.flatMap(({ name, content, recorded = content }) => {
    if (recorded === null) return [];
    const hash = createHash("sha256").update(recorded).digest("base64url");
    return [`${name},sha256=${hash},${recorded.length}\n`];
  });
  const name = `${project}-1.0.dist-info/RECORD`;
  return makeZip([...files, { name, content: Buffer.from(`${lines.join("")}${name},,\n`) }]);
}
