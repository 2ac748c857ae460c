/**
 * Inputs and outputs of an ONNX model, read from the file: OpenVINO's C API does not tell the names
 * of symbolic dimensions. Field numbers are those of `onnx.proto` of ONNX 1.16.
 */
import type { TensorDataType, TensorInfo } from "@ls/core";

export interface OnnxInterface {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Of all constants, in the file and beside it. */
  readonly weightBytes: number;
  /** Files of constants, relative to the model's folder. */
  readonly externalFiles: readonly string[];
}

const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const GRAPH_OUTPUT = 12;
const TENSOR_NAME = 8;
const TENSOR_EXTERNAL_DATA = 13;
const ENTRY_KEY = 1;
const ENTRY_VALUE = 2;
const VALUE_NAME = 1;
const VALUE_TYPE = 2;
const TYPE_TENSOR = 1;
const TENSOR_ELEMENT = 1;
const TENSOR_SHAPE = 2;
const SHAPE_DIMENSION = 1;
const DIMENSION_VALUE = 1;
const DIMENSION_NAME = 2;

const DATA_TYPES: Readonly<Record<number, TensorDataType>> = {
  1: "float32",
  2: "uint8",
  6: "int32",
  7: "int64",
  9: "bool",
  10: "float16",
};

/** A field of a protobuf message: a number, or what is in it. */
interface Field {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

const EMPTY = new Uint8Array(0);

class ProtobufReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  *fields(): Generator<Field, void, undefined> {
    while (this.#position < this.#bytes.length) {
      const tag = this.#varint();
      const number = Math.floor(tag / 8);
      switch (tag % 8) {
        case 0:
          yield { number, value: this.#varint(), bytes: EMPTY };
          break;
        case 1:
          yield { number, value: 0, bytes: this.#take(8) };
          break;
        case 2:
          yield { number, value: 0, bytes: this.#take(this.#varint()) };
          break;
        case 5:
          yield { number, value: 0, bytes: this.#take(4) };
          break;
        default:
          throw new RangeError(`a field of the unknown type ${tag % 8}`);
      }
    }
  }

  #take(count: number): Uint8Array {
    const end = this.#position + count;
    if (end > this.#bytes.length) throw new RangeError("it ends in the middle of a field");
    const part = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return part;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) throw new RangeError("it ends in the middle of a number");
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  }
}

function fieldsOf(bytes: Uint8Array): Field[] {
  return [...new ProtobufReader(bytes).fields()];
}

function within(bytes: Uint8Array, number: number): Uint8Array {
  return fieldsOf(bytes).findLast((field) => field.number === number)?.bytes ?? EMPTY;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function dimension(bytes: Uint8Array): number | string {
  for (const field of fieldsOf(bytes)) {
    if (field.number === DIMENSION_VALUE) return field.value;
    if (field.number === DIMENSION_NAME) return textOf(field.bytes);
  }
  return "?";
}

function tensorInfo(value: Uint8Array): TensorInfo {
  const name = textOf(within(value, VALUE_NAME));
  const tensor = within(within(value, VALUE_TYPE), TYPE_TENSOR);
  const element = fieldsOf(tensor).find((field) => field.number === TENSOR_ELEMENT)?.value ?? 0;
  const dtype = DATA_TYPES[element];
  if (dtype === undefined) {
    throw new RangeError(`"${name}" is no tensor of ${Object.values(DATA_TYPES).join(", ")}`);
  }
  const dims = fieldsOf(within(tensor, TENSOR_SHAPE))
    .filter(({ number }) => number === SHAPE_DIMENSION)
    .map(({ bytes }) => dimension(bytes));
  return { name, dtype, dims };
}

/** What a constant says of its external data, such as `location` and `length`; empty if inside. */
function externalEntries(constant: Uint8Array): ReadonlyMap<string, string> {
  const entries = fieldsOf(constant).filter(({ number }) => number === TENSOR_EXTERNAL_DATA);
  return new Map(
    entries.map(({ bytes }) => [
      textOf(within(bytes, ENTRY_KEY)),
      textOf(within(bytes, ENTRY_VALUE)),
    ]),
  );
}

/**
 * Reads what a model takes and gives.
 * @param bytes of the model's file, without external data.
 * @throws RangeError with what is wrong, if they are no model.
 */
export function readOnnxInterface(bytes: Uint8Array): OnnxInterface {
  const graph = fieldsOf(within(bytes, MODEL_GRAPH));
  const all = (number: number): readonly Uint8Array[] =>
    graph.filter((field) => field.number === number).map((field) => field.bytes);
  const constants = all(GRAPH_INITIALIZER);
  const constantNames = new Set(constants.map((it) => textOf(within(it, TENSOR_NAME))));
  const outputs = all(GRAPH_OUTPUT).map(tensorInfo);
  if (outputs.length === 0) throw new RangeError("it has no outputs");
  const inputs = all(GRAPH_INPUT)
    .map(tensorInfo)
    .filter(({ name }) => !constantNames.has(name));
  const externalFiles = new Set<string>();
  let weightBytes = 0;
  for (const constant of constants) {
    const entries = externalEntries(constant);
    const location = entries.get("location");
    if (location !== undefined) externalFiles.add(location);
    weightBytes += Number(entries.get("length") ?? constant.length);
  }
  return { inputs, outputs, weightBytes, externalFiles: [...externalFiles] };
}
