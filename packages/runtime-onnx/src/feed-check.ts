import {
  elementCount,
  LatentSyncError,
  type Tensor,
  type TensorDataType,
  type TensorDataTypes,
  type TensorInfo,
} from "@ls/core";

const ARRAYS: { readonly [T in TensorDataType]: abstract new () => TensorDataTypes[T] } = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function invalid(message: string, hint: string): LatentSyncError {
  return new LatentSyncError("invalid_argument", message, { hint });
}

function listNames(infos: readonly TensorInfo[]): string {
  return infos.map(({ name }) => `"${name}"`).join(", ") || "none";
}

function shape(dims: readonly (number | string)[]): string {
  return `[${dims.join(", ")}]`;
}

function fits(dims: readonly number[], expected: readonly (number | string)[]): boolean {
  // ONNX Runtime reports an unknown rank and a scalar alike: it tells them apart itself.
  if (expected.length === 0) return true;
  return (
    dims.length === expected.length &&
    expected.every((dim, axis) => typeof dim === "string" || dim === dims[axis])
  );
}

function checkFeed(info: TensorInfo, feed: Tensor): void {
  const what = `Input "${info.name}"`;
  if (feed.dtype !== info.dtype) {
    throw invalid(
      `${what} must be ${info.dtype}, but is ${feed.dtype}.`,
      `Convert it to ${info.dtype}.`,
    );
  }
  const array = ARRAYS[info.dtype];
  if (!(feed.data instanceof array)) {
    throw invalid(
      `${what} is ${info.dtype}, so its data must be ${array.name}, but is ${feed.data.constructor.name}.`,
      `Give the data as ${array.name}.`,
    );
  }
  if (!fits(feed.dims, info.dims)) {
    throw invalid(
      `${what} must have the shape ${shape(info.dims)}, but has ${shape(feed.dims)}.`,
      "Reshape it, or create the session with other `dimensions`.",
    );
  }
  const count = elementCount(feed.dims);
  if (feed.data.length !== count) {
    throw invalid(
      `${what} of shape ${shape(feed.dims)} needs ${count} elements, but its data has ${feed.data.length}.`,
      "Make data and dims agree.",
    );
  }
}

/**
 * Checks feeds against a session's inputs: names, types, ranks and fixed dimensions.
 * @throws LatentSyncError `invalid_argument`.
 */
export function checkFeeds(
  inputs: readonly TensorInfo[],
  feeds: Readonly<Record<string, Tensor>>,
): void {
  const expected = `The session's inputs are ${listNames(inputs)}.`;
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((info) => info.name === name)) {
      throw invalid(
        `There is no input "${name}". ${expected}`,
        "Leave it out or correct its name.",
      );
    }
  }
  for (const info of inputs) {
    const feed = feeds[info.name];
    if (feed === undefined) {
      throw invalid(`Input "${info.name}" is missing. ${expected}`, "Give a tensor for it.");
    }
    checkFeed(info, feed);
  }
}

/**
 * The outputs to compute: those asked for, once each, or all.
 * @throws LatentSyncError `invalid_argument`.
 */
export function selectOutputs(
  outputs: readonly TensorInfo[],
  selected: readonly string[] | undefined,
): readonly string[] {
  if (selected === undefined) return outputs.map(({ name }) => name);
  const expected = `The session's outputs are ${listNames(outputs)}.`;
  if (selected.length === 0) {
    throw invalid(`No output was asked for. ${expected}`, "Name one, or leave `outputs` out.");
  }
  for (const name of selected) {
    if (!outputs.some((info) => info.name === name)) {
      throw invalid(`There is no output "${name}". ${expected}`, "Correct its name.");
    }
  }
  return [...new Set(selected)];
}
