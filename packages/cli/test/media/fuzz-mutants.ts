/** Damage to media files, the same for the same seed and number. */

/** A small generator of numbers from 0 up to 1: mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Random = (below: number) => number;

/** Changes bytes in place, or gives others. `donor` is another file. */
type Mutation = (bytes: Buffer, random: Random, donor: Buffer) => Buffer;

const INTERESTING = [
  0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff,
] as const;
const HEAD_BYTES = 512;

function flipBits(bytes: Buffer, random: Random): Buffer {
  const count = 1 + random(24);
  for (let flip = 0; flip < count; flip++) {
    const at = random(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random(8)), at);
  }
  return bytes;
}

function truncate(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, random(bytes.length));
}

/** A number where containers have theirs: near the start, or near the end as in some MP4 files. */
function editHeader(bytes: Buffer, random: Random): Buffer {
  const edits = 1 + random(6);
  for (let edit = 0; edit < edits; edit++) {
    const near = random(Math.min(HEAD_BYTES, bytes.length));
    const at = random(3) === 0 ? bytes.length - 1 - near : near;
    const value = INTERESTING[random(INTERESTING.length)] as number;
    writeNumber(bytes, at, value, random);
  }
  return bytes;
}

function writeNumber(bytes: Buffer, at: number, value: number, random: Random): void {
  const wide = at + 4 <= bytes.length && value > 0xff;
  if (!wide) bytes.writeUInt8(value & 0xff, at);
  else if (random(2) === 0) bytes.writeUInt32BE(value, at);
  else bytes.writeUInt32LE(value, at);
}

/** The length of a box or chunk: the four bytes before, in RIFF behind, four letters. */
function editBox(bytes: Buffer, random: Random): Buffer {
  const names = [...bytes.toString("latin1").matchAll(/[a-zA-Z]{3}[a-zA-Z0-9 ]/g)];
  const edits = 1 + random(3);
  for (let edit = 0; edit < edits && names.length > 0; edit++) {
    const { index } = names[random(names.length)] as RegExpExecArray;
    const isChunk = bytes.toString("latin1", 0, 4) === "RIFF";
    const at = isChunk ? index + 4 : index - 4;
    if (at < 0 || at + 4 > bytes.length) continue;
    const value = [0, 1, 7, 8, 9, bytes.length, 0x7fff_ffff, 0xffff_ffff, random(1 << 20)];
    const size = value[random(value.length)] as number;
    if (isChunk) bytes.writeUInt32LE(size, at);
    else bytes.writeUInt32BE(size, at);
  }
  return bytes;
}

/** A part of another file in the middle of this one, over what was there or between. */
function splice(bytes: Buffer, random: Random, donor: Buffer): Buffer {
  const start = random(donor.length);
  const part = donor.subarray(start, start + 1 + random(4096));
  const at = random(bytes.length);
  const rest = at + (random(2) === 0 ? part.length : 0);
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(rest)]);
}

/** A part of the file itself once more, or left out. */
function repeat(bytes: Buffer, random: Random): Buffer {
  const start = random(bytes.length);
  const end = Math.min(bytes.length, start + 1 + random(2048));
  const again = random(2) === 0 ? bytes.subarray(start, end) : Buffer.alloc(0);
  const from = again.length > 0 ? start : end;
  return Buffer.concat([bytes.subarray(0, start), again, bytes.subarray(from)]);
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip: flipBits,
  truncate,
  header: editHeader,
  box: editBox,
  splice,
  repeat,
};

export interface Mutant {
  /** Of the file that it comes from, and what was done to that. */
  readonly name: string;
  readonly mutations: readonly string[];
  readonly bytes: Buffer;
}

export interface Seed {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Mutant `index` of a campaign: of every seed in turn, one to three mutations after another. */
export function mutantOf(seeds: readonly Seed[], campaign: number, index: number): Mutant {
  const next = generator(Math.imul(campaign, 0x9e37_79b1) ^ Math.imul(index + 1, 0x85eb_ca6b));
  const random: Random = (below) => Math.floor(next() * Math.max(1, below));
  const { name, bytes } = seeds[index % seeds.length] as Seed;
  const donor = (seeds[random(seeds.length)] as Seed).bytes;
  const kinds = Object.keys(MUTATIONS);
  const mutations = Array.from(
    { length: 1 + random(3) },
    () => kinds[random(kinds.length)] as string,
  );
  let mutated: Buffer = Buffer.from(bytes);
  for (const kind of mutations) {
    if (mutated.length > 0) mutated = (MUTATIONS[kind] as Mutation)(mutated, random, donor);
  }
  return { name, mutations, bytes: mutated };
}
