/**
 * ONNX Runtime's C API as far as this package uses it, for the options of execution providers that
 * onnxruntime-node does not pass on. Calls block the thread they are made on.
 */
import koffi, { type LibraryHandle } from "koffi";
import {
  API_VERSION,
  CHECKED,
  type CheckedName,
  GET_ERROR_MESSAGE,
  type ParameterKind,
  type ReleaseName,
  RELEASES,
  TABLE_LENGTH,
} from "./ort-functions.ts";

/** What koffi takes for a type. */
type TypeSpec = Parameters<typeof koffi.out>[0];

/** Address of something that the library owns, until it is released. */
export type Pointer = bigint;

/** Bytes of stack for a call: compiling a graph goes deep. The most that koffi allows. */
const STACK_BYTES = 16 * 1024 * 1024;

const TYPES: Readonly<Record<ParameterKind, TypeSpec>> = {
  pointer: "void *",
  text: "str",
  // Paths are wide text on Windows.
  path: process.platform === "win32" ? "str16" : "str",
  int: "int",
  size: "size_t",
  long: "int64_t",
  longs: "int64_t *",
  texts: "const char **",
  pointers: "void **",
  addresses: koffi.inout(koffi.pointer("void *")),
  result: koffi.out(koffi.pointer("void *")),
  count: koffi.out(koffi.pointer("size_t")),
  number: koffi.out(koffi.pointer("int")),
};

type Call = (...parameters: readonly unknown[]) => unknown;

/** A loaded ONNX Runtime. Every method throws an Error with the library's words if the call fails. */
export class OrtLibrary {
  // It stays loaded as long as somebody holds it.
  readonly #library: LibraryHandle;
  readonly #table: readonly Pointer[];
  readonly #calls = new Map<number, Call>();

  /** @throws Error if there is no such library, or it is too old. */
  constructor(path: string) {
    if (koffi.config().sync_stack_size !== STACK_BYTES) {
      koffi.config({ sync_stack_size: STACK_BYTES });
    }
    this.#library = koffi.load(path);
    const base = this.#library.func("OrtGetApiBase", "void *", [])() as Pointer;
    const [getApi = 0n] = koffi.decode(base, koffi.array("void *", 2)) as Pointer[];
    const type = koffi.proto("void *", ["uint32_t"]);
    const api = koffi.call(getApi, type, API_VERSION) as Pointer | null;
    if (api === null) throw new Error(`${path} has no API of version ${API_VERSION}`);
    this.#table = koffi.decode(api, koffi.array("void *", TABLE_LENGTH)) as Pointer[];
  }

  /** Calls a function that returns a status. */
  check(name: CheckedName, ...parameters: readonly unknown[]): void {
    const status = this.#checked(name)(...parameters) as Pointer | null;
    if (status === null) return;
    const message = this.#at(GET_ERROR_MESSAGE, "str", ["void *"])(status);
    this.release("ReleaseStatus", status);
    throw new Error(typeof message === "string" ? message : `${name} failed`);
  }

  /** Calls a function whose last parameter takes the address of what it made. */
  create(name: CheckedName, ...parameters: readonly unknown[]): Pointer {
    const result: [Pointer | null] = [null];
    this.check(name, ...parameters, result);
    if (result[0] === null) throw new Error(`${name} gave nothing`);
    return result[0];
  }

  /** Calls a function whose last parameter takes a number. */
  number(name: CheckedName, ...parameters: readonly unknown[]): number {
    const result: [number | bigint] = [0];
    this.check(name, ...parameters, result);
    return Number(result[0]);
  }

  release(name: ReleaseName, pointer: Pointer): void {
    this.#at(RELEASES[name], "void", ["void *"])(pointer);
  }

  #checked(name: CheckedName): Call {
    const [position, ...kinds] = CHECKED[name];
    return this.#at(
      position,
      "void *",
      kinds.map((kind) => TYPES[kind]),
    );
  }

  #at(position: number, result: string, parameters: readonly TypeSpec[]): Call {
    const known = this.#calls.get(position);
    if (known !== undefined) return known;
    const type = koffi.proto(result, [...parameters]);
    const address = this.#table[position] ?? 0n;
    const call: Call = (...values) => koffi.call(address, type, ...values) as unknown;
    this.#calls.set(position, call);
    return call;
  }
}
