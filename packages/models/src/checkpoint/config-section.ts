import { inspect } from "node:util";
import { LatentSyncError } from "@ls/core";

type Plain = Readonly<Record<string, unknown>>;

function describe(value: unknown): string {
  if (value === undefined) return "absent";
  const text = inspect(value, { depth: 2, breakLength: Infinity, maxArrayLength: 16 });
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One mapping of a configuration file, read key by key; every complaint names file and key. */
export class ConfigSection {
  readonly #values: Plain;
  readonly #file: string;
  readonly #path: string;
  readonly #read = new Set<string>();

  /** @throws LatentSyncError `invalid_model` if `values` is not a mapping. */
  constructor(values: unknown, file: string, path = "") {
    this.#file = file;
    this.#path = path;
    if (!isPlain(values)) {
      throw this.#error(path === "" ? "The file" : `"${path}"`, "a mapping of keys", values);
    }
    this.#values = values;
  }

  #error(what: string, expected: string, actual: unknown): LatentSyncError {
    return new LatentSyncError(
      "invalid_model",
      `${this.#file}: ${what} must be ${expected}, but is ${describe(actual)}.`,
      { hint: "Use the configuration that was published with the checkpoint." },
    );
  }

  #key(key: string): string {
    return this.#path === "" ? key : `${this.#path}.${key}`;
  }

  /** The value as it stands; undefined where the key is absent or null. */
  raw(key: string): unknown {
    this.#read.add(key);
    return Object.hasOwn(this.#values, key) ? (this.#values[key] ?? undefined) : undefined;
  }

  #value<T>(
    key: string,
    expected: string,
    accepts: (value: unknown) => value is T,
    fallback: T | undefined,
  ): T {
    const value = this.raw(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (!accepts(value)) throw this.#error(`"${this.#key(key)}"`, expected, value);
    return value;
  }

  number(key: string, fallback?: number): number {
    return this.#value(
      key,
      "a number",
      (value): value is number => typeof value === "number" && Number.isFinite(value),
      fallback,
    );
  }

  /** A whole number from `minimum` (default 1) to `maximum` (default 65536). */
  integer(
    key: string,
    options: {
      readonly fallback?: number;
      readonly minimum?: number;
      readonly maximum?: number;
    } = {},
  ): number {
    const { fallback, minimum = 1, maximum = 65_536 } = options;
    return this.#value(
      key,
      `a whole number from ${minimum} to ${maximum}`,
      (value): value is number => isInteger(value, minimum, maximum),
      fallback,
    );
  }

  boolean(key: string, fallback?: boolean): boolean {
    return this.#value(
      key,
      "true or false",
      (value): value is boolean => typeof value === "boolean",
      fallback,
    );
  }

  string(key: string, fallback?: string): string {
    return this.#value(
      key,
      "a text",
      (value): value is string => typeof value === "string",
      fallback,
    );
  }

  choice<T extends string>(key: string, choices: readonly T[], fallback?: T): T {
    return this.#value(
      key,
      `${choices.map((choice) => JSON.stringify(choice)).join(" or ")} (the only supported)`,
      (value): value is T => choices.some((choice) => choice === value),
      fallback,
    );
  }

  /** A list of choices, `length` long where that is given. */
  choices<T extends string>(
    key: string,
    allowed: readonly T[],
    options: { readonly fallback?: readonly T[]; readonly length?: number } = {},
  ): readonly T[] {
    const { fallback, length } = options;
    const size = length === undefined ? "a list" : `a list of ${length}`;
    return this.#value(
      key,
      `${size} of ${allowed.map((choice) => JSON.stringify(choice)).join(" or ")} (the only supported)`,
      (value): value is readonly T[] =>
        isList(value, length) && value.every((item) => allowed.some((choice) => choice === item)),
      fallback,
    );
  }

  /** A list of 1 to 16 whole numbers. */
  integers(
    key: string,
    options: {
      readonly fallback?: readonly number[];
      readonly length?: number;
      readonly minimum?: number;
    } = {},
  ): readonly number[] {
    const { fallback, length, minimum = 1 } = options;
    const size = length === undefined ? "a list" : `a list of ${length}`;
    return this.#value(
      key,
      `${size} of whole numbers, ${minimum} or more`,
      (value): value is readonly number[] =>
        isList(value, length) && value.every((item) => isInteger(item, minimum, 65_536)),
      fallback,
    );
  }

  /** Refuses every value but `only`, which is also the meaning of an absent key. */
  only(key: string, only: string | number | boolean | null): void {
    const value = this.raw(key) ?? null;
    if (value !== only && value !== null) {
      throw this.#error(`"${this.#key(key)}"`, `${String(only)} (the only supported)`, value);
    }
  }

  /** Accepts keys that inference has no use for. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#read.add(key);
  }

  section(key: string): ConfigSection {
    return new ConfigSection(this.raw(key), this.#file, this.#key(key));
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  /** @throws LatentSyncError `invalid_model` that names the keys nobody asked for. */
  refuseUnknown(): void {
    const unknown = Object.keys(this.#values).filter(
      (key) => !this.#read.has(key) && !key.startsWith("_"),
    );
    if (unknown.length === 0) return;
    const names = unknown.map((key) => `"${this.#key(key)}"`).slice(0, 10);
    throw new LatentSyncError(
      "invalid_model",
      `${this.#file}: unknown ${unknown.length === 1 ? "key" : "keys"} ${names.join(", ")}` +
        `${unknown.length > names.length ? ` and ${unknown.length - names.length} more` : ""}. ` +
        "A key that changes the network must be known to build it.",
      { hint: "Use the configuration that was published with the checkpoint." },
    );
  }
}

function isInteger(value: unknown, minimum: number, maximum: number): value is number {
  return (
    typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum
  );
}

function isList(value: unknown, length: number | undefined): value is readonly unknown[] {
  if (!Array.isArray(value)) return false;
  return length === undefined ? value.length > 0 && value.length <= 16 : value.length === length;
}
