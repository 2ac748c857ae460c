import { float32 } from "@ls/core";
import { encodeOnnxFiles } from "@ls/testing";
import { describe, expect, it } from "vitest";
import { readOnnxInterface } from "../src/onnx-interface.ts";

function encode(externalFile?: string): Uint8Array {
  return encodeOnnxFiles({
    inputs: [
      { name: "x", dtype: "float32", dims: ["batch", 3] },
      { name: "scalar", dtype: "int64", dims: [] },
    ],
    outputs: [{ name: "y", dtype: "float32", dims: ["batch", 3] }],
    nodes: [{ op: "Add", inputs: ["x", "bias"], outputs: ["y"] }],
    initializers: { bias: float32([3], Float32Array.of(1, 2, 3)) },
    ...(externalFile === undefined ? {} : { externalFile }),
  }).model;
}

describe("readOnnxInterface", () => {
  it("reads names, types and dimensions, and leaves constants out", () => {
    expect(readOnnxInterface(encode())).toMatchObject({
      inputs: [
        { name: "x", dtype: "float32", dims: ["batch", 3] },
        { name: "scalar", dtype: "int64", dims: [] },
      ],
      outputs: [{ name: "y", dtype: "float32", dims: ["batch", 3] }],
      externalFiles: [],
    });
  });

  it("tells the files of external data and the size of all weights", () => {
    const { externalFiles, weightBytes } = readOnnxInterface(encode("weights.data"));
    expect(externalFiles).toEqual(["weights.data"]);
    expect(weightBytes).toBe(12);
    expect(readOnnxInterface(encode()).weightBytes).toBeGreaterThanOrEqual(12);
  });

  it("refuses every part of a model that ends in the middle", () => {
    const whole = encode();
    for (let length = 0; length < whole.length - 8; length++) {
      const part = whole.slice(0, length);
      const read = (): unknown => readOnnxInterface(part);
      // Some ends are between two fields: then it is a model that lacks something, and says so.
      expect(read).toThrow(RangeError);
    }
  });

  it("refuses element types that tensors of the project cannot have", () => {
    // x is a tensor of strings, ONNX's type 8.
    const bytes = encode();
    const at = bytes.findIndex(
      (byte, index) => byte === 0x08 && bytes[index + 1] === 1 && bytes[index + 2] === 0x12,
    );
    bytes[at + 1] = 8;
    expect(() => readOnnxInterface(bytes)).toThrow(/is no tensor of/u);
  });
});
