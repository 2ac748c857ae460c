/** Writes the part of pickle protocol 2 that a checkpoint needs. */

/** Plain values that a checkpoint may carry beside its tensors. */
export type WritableValue =
  | null
  | boolean
  | number
  | string
  | readonly WritableValue[]
  | { readonly [key: string]: WritableValue };

/** A dense tensor that fills a storage of its own. */
export interface WritableTensor {
  readonly name: string;
  /** torch's storage class, such as `FloatStorage`. */
  readonly storageClass: string;
  /** Name of the record under `data/`. */
  readonly key: string;
  readonly shape: readonly number[];
}

export class PickleWriter {
  readonly #chunks: Buffer[] = [Buffer.from([0x80, 2])];

  #byte(...bytes: readonly number[]): void {
    this.#chunks.push(Buffer.from(bytes));
  }

  /** Opens a dictionary: then keys and values in turn, then {@link endDict}. */
  beginDict(): void {
    this.#byte(0x7d, 0x28);
  }

  endDict(): void {
    this.#byte(0x75);
  }

  text(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    const head = Buffer.alloc(5);
    head[0] = 0x58;
    head.writeUInt32LE(bytes.length, 1);
    this.#chunks.push(head, bytes);
  }

  #number(value: number): void {
    if (Number.isInteger(value) && !Object.is(value, -0)) {
      this.#integer(value);
      return;
    }
    const chunk = Buffer.alloc(9);
    chunk[0] = 0x47;
    chunk.writeDoubleBE(value, 1);
    this.#chunks.push(chunk);
  }

  #integer(value: number): void {
    if (value >= 0 && value < 256) {
      this.#byte(0x4b, value);
    } else if (value >= -0x80000000 && value <= 0x7fffffff) {
      const chunk = Buffer.alloc(5);
      chunk[0] = 0x4a;
      chunk.writeInt32LE(value, 1);
      this.#chunks.push(chunk);
    } else {
      const chunk = Buffer.alloc(10);
      chunk[0] = 0x8a;
      chunk[1] = 8;
      chunk.writeBigInt64LE(BigInt(value), 2);
      this.#chunks.push(chunk);
    }
  }

  value(value: WritableValue): void {
    if (value === null) this.#byte(0x4e);
    else if (typeof value === "boolean") this.#byte(value ? 0x88 : 0x89);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "string") this.text(value);
    else if (Array.isArray(value)) this.#list(value);
    else this.#dict(value as { readonly [key: string]: WritableValue });
  }

  #list(values: readonly WritableValue[]): void {
    this.#byte(0x5d, 0x28);
    for (const item of values) this.value(item);
    this.#byte(0x65);
  }

  #dict(values: { readonly [key: string]: WritableValue }): void {
    this.beginDict();
    for (const [key, item] of Object.entries(values)) {
      this.text(key);
      this.value(item);
    }
    this.endDict();
  }

  #global(module: string, name: string): void {
    this.#chunks.push(Buffer.from(`c${module}\n${name}\n`, "utf8"));
  }

  #tuple(values: readonly number[]): void {
    this.#byte(0x28);
    for (const value of values) this.#integer(value);
    this.#byte(0x74);
  }

  /** An OrderedDict of tensors by name. */
  tensors(tensors: Iterable<WritableTensor>): void {
    this.#global("collections", "OrderedDict");
    this.#byte(0x29, 0x52, 0x28);
    for (const tensor of tensors) {
      this.text(tensor.name);
      this.#tensor(tensor);
    }
    this.#byte(0x75);
  }

  #tensor({ storageClass, key, shape }: WritableTensor): void {
    const count = shape.reduce((product, size) => product * size, 1);
    this.#global("torch._utils", "_rebuild_tensor_v2");
    this.#byte(0x28, 0x28);
    this.text("storage");
    this.#global("torch", storageClass);
    this.text(key);
    this.text("cpu");
    this.#integer(count);
    this.#byte(0x74, 0x51);
    this.#integer(0);
    this.#tuple(shape);
    this.#tuple(shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1)));
    this.#byte(0x89);
    this.#global("collections", "OrderedDict");
    this.#byte(0x29, 0x52, 0x74, 0x52);
  }

  finish(): Buffer {
    this.#byte(0x2e);
    return Buffer.concat(this.#chunks);
  }
}
