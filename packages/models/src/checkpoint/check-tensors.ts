import { LatentSyncError } from "@ls/core";
import { describeCheckpoint } from "./published-versions.ts";
import type { TensorSource } from "./tensor-source.ts";

export interface CheckTensorsOptions {
  /** What is checked, for the message: `the UNet's checkpoint`. */
  readonly what?: string;
  /** Tensors that may be there without being expected, such as Whisper's `decoder.`. */
  readonly allowed?: readonly (string | RegExp)[];
}

const LISTED = 8;

function listSome(names: readonly string[], title: string): string {
  if (names.length === 0) return "";
  const rest = names.length > LISTED ? `, and ${names.length - LISTED} more` : "";
  return `\n  ${title} (${names.length}): ${names.slice(0, LISTED).join(", ")}${rest}`;
}

function isAllowed(name: string, allowed: readonly (string | RegExp)[]): boolean {
  return allowed.some((rule) =>
    typeof rule === "string" ? name.startsWith(rule) : rule.test(name),
  );
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Which published version each side looks like, where that tells them apart. */
function compareVersions(
  entries: TensorSource["entries"],
  expected: ReadonlyMap<string, readonly number[]>,
): string {
  const actual = describeCheckpoint(entries);
  const wanted = describeCheckpoint(
    new Map([...expected].map(([name, shape]) => [name, { shape }])),
  );
  if (actual === wanted) return "";
  return (
    ` It looks like ${actual ?? "none of the published checkpoints"}; ` +
    `the configuration is for ${wanted ?? "a network of another kind"}.`
  );
}

/**
 * Checks that a checkpoint has exactly the tensors that a network needs.
 * @param expected shapes by name.
 * @throws LatentSyncError `invalid_model` that lists what is missing, unexpected and wrongly shaped,
 *   and says which published version both sides look like.
 */
export function checkTensors(
  source: Pick<TensorSource, "entries">,
  expected: ReadonlyMap<string, readonly number[]>,
  options: CheckTensorsOptions = {},
): void {
  const { what = "The checkpoint", allowed = [] } = options;
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [name, shape] of expected) {
    const entry = source.entries.get(name);
    if (entry === undefined) missing.push(name);
    else if (!sameShape(entry.shape, shape)) {
      wrong.push(`${name} is [${entry.shape.join(", ")}] and not [${shape.join(", ")}]`);
    }
  }
  const unexpected = [...source.entries.keys()].filter(
    (name) => !expected.has(name) && !isAllowed(name, allowed),
  );
  if (missing.length + wrong.length + unexpected.length === 0) return;
  throw new LatentSyncError(
    "invalid_model",
    `${what} does not fit its configuration.${compareVersions(source.entries, expected)}` +
      listSome(missing, "missing") +
      listSome(unexpected, "unexpected") +
      listSome(wrong, "wrongly shaped"),
    { hint: "Use checkpoint and configuration of the same version." },
  );
}
