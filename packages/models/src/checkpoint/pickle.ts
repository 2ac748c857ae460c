/**
 * Reads the pickles that torch.save writes (protocol 2, and the plain parts of 3 to 5). It is a
 * reader of data: opcodes and globals outside two short lists are refused, and "calling" one of
 * the allowed globals means building one of our own values.
 */
import { LatentSyncError } from "@ls/core";
import {
  ALLOWED_GLOBALS,
  ORDERED_DICT,
  PickledGlobal,
  PickledStorage,
  PickledTensor,
  type PickleValue,
  REBUILD_PARAMETER,
  REBUILD_TENSOR,
  STORAGE_DTYPES,
} from "./pickle-values.ts";

const MARK = Symbol("mark");
type StackItem = PickleValue | typeof MARK;

const MAXIMUM_RANK = 16;
/** Longest global name that is worth quoting. */
const MAXIMUM_LINE = 512;

class PickleReader {
  readonly #bytes: Buffer;
  readonly #where: string;
  readonly #stack: StackItem[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #position = 0;
  #pairs = 0;

  constructor(bytes: Buffer, where: string) {
    this.#bytes = bytes;
    this.#where = where;
  }

  parse(): PickleValue {
    for (;;) {
      const at = this.#position;
      const opcode = this.#bytes[this.#advance(1)] as number;
      if (opcode === 0x2e) return this.#pop();
      const action = ACTIONS.get(opcode);
      if (action === undefined) {
        throw this.error(
          `the pickle opcode 0x${opcode.toString(16).padStart(2, "0")} at ${at} is not among those that tensors need`,
          "Only checkpoints that hold nothing but tensors and plain values are read, for safety.",
        );
      }
      action(this);
    }
  }

  error(reason: string, hint = "The file may be damaged; download it again."): LatentSyncError {
    return new LatentSyncError("invalid_model", `${this.#where}: ${reason}.`, { hint });
  }

  /** Moves on by `length` bytes and returns where they start. */
  #advance(length: number): number {
    const start = this.#position;
    if (!(length >= 0 && start + length <= this.#bytes.length)) {
      throw this.error(`the pickle ends at ${this.#bytes.length}, within an operation`);
    }
    this.#position = start + length;
    return start;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#advance(2));
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  uint64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#advance(8)));
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#advance(8));
  }

  text(length: number): string {
    const start = this.#advance(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  line(): string {
    const limit = Math.min(this.#bytes.length, this.#position + MAXIMUM_LINE);
    const end = this.#bytes.subarray(this.#position, limit).indexOf(0x0a);
    if (end < 0) throw this.error(`a name at ${this.#position} has no end`);
    const text = this.text(end);
    this.#advance(1);
    return text;
  }

  /** A little-endian two's complement integer of any length. */
  long(length: number): number | bigint {
    if (length > 32) throw this.error(`an integer of ${length} bytes is too large`);
    const start = this.#advance(length);
    let value = 0n;
    for (let index = length - 1; index >= 0; index--) {
      value = (value << 8n) | BigInt(this.#bytes[start + index] as number);
    }
    if (length > 0) value = BigInt.asIntN(length * 8, value);
    const plain = Number(value);
    return Number.isSafeInteger(plain) ? plain : value;
  }

  push(item: StackItem): void {
    this.#stack.push(item);
  }

  #pop(): PickleValue {
    const item = this.#stack.pop();
    if (item === undefined || item === MARK) throw this.error("the pickle takes more than it gave");
    return item;
  }

  pop(count: number): PickleValue[] {
    const items: PickleValue[] = [];
    for (let index = 0; index < count; index++) items.push(this.#pop());
    return items.reverse();
  }

  popToMark(): PickleValue[] {
    const items: PickleValue[] = [];
    for (;;) {
      const item = this.#stack.pop();
      if (item === MARK) return items.reverse();
      if (item === undefined) throw this.error("the pickle ends a group that it never began");
      items.push(item);
    }
  }

  #top(): PickleValue {
    const item = this.#stack.at(-1);
    if (item === undefined || item === MARK) throw this.error("the pickle takes more than it gave");
    return item;
  }

  put(index: number): void {
    this.#memo.set(index, this.#top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.error(`the pickle recalls ${index}, which it never kept`);
    this.push(value);
  }

  append(items: readonly PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.error("the pickle appends to what is not a list");
    for (const item of items) list.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) {
      throw this.error("the pickle sets a key of what is not a dictionary");
    }
    for (let index = 0; index < items.length; index += 2) {
      dict.set(items[index] as PickleValue, items[index + 1] as PickleValue);
    }
  }

  global(name: string): void {
    if (!ALLOWED_GLOBALS.has(name)) {
      throw this.error(
        `it refers to ${JSON.stringify(name)}, which is not among the globals that tensors need`,
        "The file may run code when Python loads it. Use a checkpoint that holds only tensors.",
      );
    }
    this.push(new PickledGlobal(name));
  }

  stackGlobal(): void {
    const [module, name] = this.pop(2);
    if (typeof module !== "string" || typeof name !== "string") {
      throw this.error("a global of the pickle has no name");
    }
    this.global(`${module}.${name}`);
  }

  reduce(): void {
    const [target, values] = this.pop(2);
    if (!(target instanceof PickledGlobal) || !Array.isArray(values)) {
      throw this.error("the pickle calls what cannot be called");
    }
    if (target.name === ORDERED_DICT) this.push(this.#orderedDict(values));
    else if (target.name === REBUILD_TENSOR) this.push(this.#tensor(values));
    else if (target.name === REBUILD_PARAMETER) this.push(this.#parameter(values));
    else throw this.error(`the pickle calls ${target.name}, which is no function`);
  }

  /** State of an OrderedDict is its attributes, which only Python's own loader uses. */
  build(): void {
    this.pop(1);
    if (!(this.#top() instanceof Map)) {
      throw this.error("the pickle gives state to what is not a dictionary");
    }
  }

  #orderedDict(values: readonly PickleValue[]): Map<PickleValue, PickleValue> {
    const pairs = values[0] ?? [];
    if (values.length > 1 || !Array.isArray(pairs)) {
      throw this.error("the pickle makes an OrderedDict of what are not pairs");
    }
    // A list may be recalled any number of times, so copies of it are counted.
    this.#pairs += pairs.length;
    if (this.#pairs > this.#bytes.length) throw this.error("the pickle repeats a list too often");
    const dict = new Map<PickleValue, PickleValue>();
    for (const pair of pairs) {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw this.error("the pickle makes an OrderedDict of what are not pairs");
      }
      dict.set(pair[0] as PickleValue, pair[1] as PickleValue);
    }
    return dict;
  }

  #parameter(values: readonly PickleValue[]): PickledTensor {
    const [data] = values;
    if (!(data instanceof PickledTensor)) throw this.error("a parameter holds no tensor");
    return data;
  }

  #tensor(values: readonly PickleValue[]): PickledTensor {
    const [storage, offset, shape, strides, , , metadata] = values;
    if (!(storage instanceof PickledStorage)) throw this.error("a tensor has no storage");
    if (metadata instanceof Map && metadata.size > 0) {
      throw this.error("a tensor has metadata (a conjugate or negative view), which is not read");
    }
    if (!isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
      throw this.error(
        `a tensor's offset, shape or strides are not whole numbers, or over ${MAXIMUM_RANK} of them`,
      );
    }
    if (shape.length !== strides.length) {
      throw this.error(`a tensor has ${shape.length} dimensions and ${strides.length} strides`);
    }
    return new PickledTensor(storage, offset, shape, strides);
  }

  persistent(): void {
    const [id] = this.pop(1);
    const [tag, type, key, , elements] = Array.isArray(id) ? id : [];
    const dtype = type instanceof PickledGlobal ? STORAGE_DTYPES.get(type.name) : undefined;
    if (tag !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(elements)) {
      throw this.error("a reference to a storage is not what torch writes");
    }
    this.push(new PickledStorage(dtype, key, elements));
  }

  protocol(): void {
    const version = this.uint8();
    if (version < 2 || version > 5) {
      throw this.error(`pickle protocol ${version} is not read; torch writes 2`);
    }
  }

  skip(length: number): void {
    this.#advance(length);
  }

  mark(): void {
    this.push(MARK);
  }
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: PickleValue | undefined): value is number[] {
  return (
    Array.isArray(value) && value.length <= MAXIMUM_RANK && value.every((item) => isCount(item))
  );
}

/** The opcodes that are understood; all others are refused. */
const ACTIONS: ReadonlyMap<number, (reader: PickleReader) => void> = new Map<
  number,
  (reader: PickleReader) => void
>([
  [0x80, (reader) => reader.protocol()],
  [0x95, (reader) => reader.skip(8)], // FRAME
  [0x28, (reader) => reader.mark()],
  [0x7d, (reader) => reader.push(new Map())],
  [0x5d, (reader) => reader.push([])],
  [0x29, (reader) => reader.push([])], // EMPTY_TUPLE
  [0x4e, (reader) => reader.push(null)],
  [0x88, (reader) => reader.push(true)],
  [0x89, (reader) => reader.push(false)],
  [0x4b, (reader) => reader.push(reader.uint8())],
  [0x4d, (reader) => reader.push(reader.uint16())],
  [0x4a, (reader) => reader.push(reader.int32())],
  [0x8a, (reader) => reader.push(reader.long(reader.uint8()))],
  [0x47, (reader) => reader.push(reader.float64())],
  [0x58, (reader) => reader.push(reader.text(reader.uint32()))], // BINUNICODE
  [0x8c, (reader) => reader.push(reader.text(reader.uint8()))], // SHORT_BINUNICODE
  [0x8d, (reader) => reader.push(reader.text(reader.uint64()))], // BINUNICODE8
  [0x71, (reader) => reader.put(reader.uint8())],
  [0x72, (reader) => reader.put(reader.uint32())],
  [0x94, (reader) => reader.memoize()],
  [0x68, (reader) => reader.get(reader.uint8())],
  [0x6a, (reader) => reader.get(reader.uint32())],
  [0x74, (reader) => reader.push(reader.popToMark())], // TUPLE
  [0x85, (reader) => reader.push(reader.pop(1))],
  [0x86, (reader) => reader.push(reader.pop(2))],
  [0x87, (reader) => reader.push(reader.pop(3))],
  [0x61, (reader) => reader.append(reader.pop(1))],
  [0x65, (reader) => reader.append(reader.popToMark())],
  [0x73, (reader) => reader.setItems(reader.pop(2))],
  [0x75, (reader) => reader.setItems(reader.popToMark())],
  [0x63, (reader) => reader.global(`${reader.line()}.${reader.line()}`)],
  [0x93, (reader) => reader.stackGlobal()],
  [0x52, (reader) => reader.reduce()],
  [0x51, (reader) => reader.persistent()],
  [0x62, (reader) => reader.build()],
]);

/**
 * Parses a pickle into plain values. Work and memory are bounded by its length.
 * @param where what is being read, for messages.
 * @throws LatentSyncError `invalid_model` for damage, and for opcodes and globals that are refused,
 *   with their names.
 */
export function parsePickle(bytes: Uint8Array, where: string): PickleValue {
  return new PickleReader(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    where,
  ).parse();
}
