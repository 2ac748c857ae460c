/** How the official code's process is spoken to: see python/protocol.py, which is the other side. */
import { elementCount, float32, LatentSyncError, type Tensor } from "@ls/core";

export type Tensors = Readonly<Record<string, Tensor<"float32">>>;

export interface Message {
  readonly header: Readonly<Record<string, unknown>>;
  readonly tensors: Tensors;
}

interface TensorHeader {
  readonly name: string;
  readonly dims: readonly number[];
}

/** A line of JSON, then the tensors' numbers, little-endian, in the line's order. */
export function encodeMessage(header: Readonly<Record<string, unknown>>, tensors: Tensors): Buffer {
  const infos = Object.entries(tensors).map(([name, { dims }]) => ({ name, dims }));
  const line = Buffer.from(`${JSON.stringify({ ...header, tensors: infos })}\n`);
  const parts = Object.values(tensors).map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  return Buffer.concat([line, ...parts]);
}

const NEWLINE = 0x0a;
/** A header line has a few hundred bytes: more than this is something else. */
const LONGEST_LINE = 1024 ** 2;

interface Header {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly infos: readonly TensorHeader[];
}

/** Puts messages together from chunks of any size. */
export class MessageParser {
  #chunks: Buffer[] = [];
  #length = 0;
  #header: Header | undefined;

  /**
   * @returns the messages that are complete with this chunk.
   * @throws LatentSyncError `runtime` if what arrives is no message.
   */
  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const messages: Message[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) {
      messages.push(message);
    }
    return messages;
  }

  #next(): Message | undefined {
    this.#header ??= this.#readHeader();
    if (this.#header === undefined) return undefined;
    const { fields, infos } = this.#header;
    const sizes = infos.map(({ dims }) => 4 * elementCount(dims));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (this.#length < total) return undefined;
    const bytes = this.#take(total);
    const tensors: Record<string, Tensor<"float32">> = {};
    let offset = 0;
    for (const [index, { name, dims }] of infos.entries()) {
      const size = sizes[index] as number;
      // Copied, so that the numbers begin where float32 may begin.
      const data = new Float32Array(Uint8Array.from(bytes.subarray(offset, offset + size)).buffer);
      tensors[name] = float32(dims, data);
      offset += size;
    }
    this.#header = undefined;
    return { header: fields, tensors };
  }

  #readHeader(): Header | undefined {
    if (!this.#chunks.some((chunk) => chunk.includes(NEWLINE))) {
      if (this.#length > LONGEST_LINE) throw notAMessage("a line without an end");
      return undefined;
    }
    const bytes = Buffer.concat(this.#chunks);
    const end = bytes.indexOf(NEWLINE);
    const line = this.#take(end + 1).toString("utf8");
    try {
      const { tensors, ...fields } = JSON.parse(line) as { tensors: readonly TensorHeader[] };
      return { fields, infos: tensors.map(({ name, dims }) => ({ name, dims })) };
    } catch {
      throw notAMessage(JSON.stringify(line.slice(0, 80)));
    }
  }

  #take(count: number): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [bytes.subarray(count)];
    this.#length -= count;
    return bytes.subarray(0, count);
  }
}

function notAMessage(what: string): LatentSyncError {
  return new LatentSyncError("runtime", `The official code's process wrote ${what}.`, {
    hint: "Look at what it says on stderr.",
  });
}
