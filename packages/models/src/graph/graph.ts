/**
 * An ONNX graph under construction, in the manner of onnx/ir-py's tape: `graph.op("Add", [a, b])`.
 * Knows nothing of protobuf, files or networks.
 */
import { LatentSyncError, elementCount } from "@ls/core";
import type { Dimension, ElementArray, ElementType } from "./element-type.ts";

/** An integer, a list of integers, a string, or a float marked as such. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A tensor that flows through the graph. */
export interface Value {
  /** Unique in the graph; the path of the module that made it, where it is a module's output. */
  readonly name: string;
  readonly dtype: ElementType;
}

export interface Node {
  readonly type: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** `undefined` stands for an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant tensor whose elements are produced when they are written. */
export interface Initializer {
  /** Unique; graphs written together share initializers of the same name. */
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  load(): Promise<ElementArray>;
}

/** An {@link Initializer} that is part of the graph file in any case. */
export interface Constant {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  readonly data: ElementArray;
}

/** A graph input or output. */
export interface Port {
  readonly name: string;
  readonly value: Value;
  /** `undefined` where the shape is left to the runtime's own inference. */
  readonly shape: readonly Dimension[] | undefined;
}

/** What a module returns: a value, or a record that holds one. */
export type ModuleOutput = Value | { readonly value: Value };

export interface OpOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: string;
  /** Element type of the outputs; that of the first input if not given. */
  readonly dtype?: ElementType;
}

interface MutableValue {
  name: string;
  readonly dtype: ElementType;
}

/** Marks an attribute as a float. */
export function float(value: number): { readonly float: number } {
  return { float: value };
}

function valueOf(output: ModuleOutput): Value {
  return "value" in output ? output.value : output;
}

export class Graph {
  readonly name: string;
  readonly nodes: Node[] = [];
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly initializers: Map<string, Initializer> = new Map();
  readonly constants: Map<string, Constant> = new Map();
  /** Outputs of modules by path, for taps. */
  readonly modules: Map<string, ModuleOutput> = new Map();
  /** Shapes of inner values that a runtime could not infer, for its memory planning. */
  readonly shapes: Map<Value, readonly Dimension[]> = new Map();
  /** Version by operator domain; contrib domains appear when they are used. */
  readonly opsets: Map<string, number>;
  readonly #values: Map<string, MutableValue> = new Map();
  /** Values of inputs, initializers and constants, which keep their names. */
  readonly #fixed: Map<string, Value> = new Map();
  #scope = "";

  constructor(options: { readonly name: string; readonly opset: number }) {
    this.name = options.name;
    this.opsets = new Map([["", options.opset]]);
  }

  input(name: string, dtype: ElementType, shape: readonly Dimension[]): Value {
    const value = this.#fix(name, dtype);
    this.inputs.push({ name, value, shape });
    return value;
  }

  /** Makes a value an output of the graph, under this name. */
  output(name: string, value: Value, shape?: readonly Dimension[]): void {
    if (this.#fixed.has(name) || this.outputs.some((port) => port.name === name)) {
      throw this.#nameTaken(name);
    }
    const holder = this.#values.get(name);
    if (holder !== undefined && holder !== value) this.#rename(holder, this.#unique(name));
    const port = holder === value ? value : this.#identity(name, value);
    this.outputs.push({ name, value: port, shape });
  }

  /** A weight; asking twice for a name gives the same value. */
  initializer(initializer: Initializer): Value {
    const existing = this.#fixed.get(initializer.name);
    if (existing !== undefined) return existing;
    this.initializers.set(initializer.name, initializer);
    return this.#fix(initializer.name, initializer.dtype);
  }

  /** A small constant; equal ones are shared. */
  constant(dtype: ElementType, shape: readonly number[], data: ElementArray): Value {
    if (data.length !== elementCount(shape)) {
      throw new LatentSyncError(
        "invalid_argument",
        `A constant of shape [${shape.join(", ")}] cannot have ${data.length} elements.`,
      );
    }
    const name = `constant:${dtype}[${shape.join(",")}]:${constantKey(data, this.constants.size)}`;
    const existing = this.#fixed.get(name);
    if (existing !== undefined) return existing;
    this.constants.set(name, { name, dtype, shape, data });
    return this.#fix(name, dtype);
  }

  /** A one-dimensional int64 constant: a shape, axes or sizes. */
  integers(values: readonly number[]): Value {
    return this.constant("int64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Applies an operator with one output. */
  op(type: string, inputs: readonly (Value | undefined)[], options: OpOptions = {}): Value {
    const [output] = this.ops(type, inputs, 1, options);
    return output as Value;
  }

  /** Applies an operator with several outputs. */
  ops(
    type: string,
    inputs: readonly (Value | undefined)[],
    outputCount: number,
    options: OpOptions = {},
  ): Value[] {
    const dtype = options.dtype ?? inputs[0]?.dtype;
    if (dtype === undefined) {
      throw new LatentSyncError("invalid_argument", `${type} without inputs needs a dtype.`);
    }
    const domain = options.domain ?? "";
    if (!this.opsets.has(domain)) this.opsets.set(domain, 1);
    const prefix = this.#scope === "" ? type : `${this.#scope}.${type}`;
    const outputs = Array.from({ length: outputCount }, () =>
      this.#register(this.#unique(prefix), dtype),
    );
    this.nodes.push({ type, domain, inputs, outputs, attributes: options.attributes ?? {} });
    return outputs;
  }

  /**
   * Builds a module: values made meanwhile are named below `path`, and its output is named `path`
   * itself and found in `modules`. Paths are absolute, as in a checkpoint.
   */
  module<T extends ModuleOutput>(path: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = path;
    const output = build();
    this.#scope = outer;
    this.modules.set(path, output);
    const value = valueOf(output);
    const holder = this.#values.get(value.name);
    const isNamed = this.#fixed.has(value.name) || this.modules.has(value.name);
    if (holder !== undefined && !isNamed && !this.#values.has(path)) this.#rename(holder, path);
    return output;
  }

  #identity(name: string, value: Value): Value {
    const output = this.#register(name, value.dtype);
    this.nodes.push({
      type: "Identity",
      domain: "",
      inputs: [value],
      outputs: [output],
      attributes: {},
    });
    return output;
  }

  #fix(name: string, dtype: ElementType): Value {
    if (this.#values.has(name)) throw this.#nameTaken(name);
    const value = this.#register(name, dtype);
    this.#fixed.set(name, value);
    return value;
  }

  #register(name: string, dtype: ElementType): MutableValue {
    const value: MutableValue = { name, dtype };
    this.#values.set(name, value);
    return value;
  }

  #rename(value: MutableValue, name: string): void {
    this.#values.delete(value.name);
    this.#values.set(name, value);
    value.name = name;
  }

  #unique(prefix: string): string {
    let name = prefix;
    for (let suffix = 1; this.#values.has(name); suffix++) name = `${prefix}_${suffix}`;
    return name;
  }

  #nameTaken(name: string): LatentSyncError {
    return new LatentSyncError(
      "invalid_argument",
      `The graph ${this.name} already has a value named ${name}.`,
    );
  }
}

const LONGEST_SHARED_CONSTANT = 16;

function constantKey(data: ElementArray, count: number): string {
  return data.length <= LONGEST_SHARED_CONSTANT ? data.join(",") : `#${count}`;
}
