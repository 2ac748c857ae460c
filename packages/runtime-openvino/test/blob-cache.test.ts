import { mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { blobFolder } from "../src/blob-cache.ts";

const COMPILER = { release: "2026.4.1", properties: { INFERENCE_PRECISION_HINT: "f32" } };

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "openvino-blobs-"));
  vi.stubEnv("LATENTSYNC_HOME", join(folder, "home"));
  await writeFile(join(folder, "a.onnx"), "graph");
  await writeFile(join(folder, "a.data"), "weights");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

function graph(weightBytes = 1000): Parameters<typeof blobFolder>[0] {
  return { path: join(folder, "a.onnx"), externalFiles: ["a.data"], weightBytes };
}

describe("blobFolder", () => {
  it("is one folder for one graph, and is there", async () => {
    const first = await blobFolder(graph(), COMPILER);
    expect(first).toBe(await blobFolder(graph(), COMPILER));
    expect((await stat(first ?? "")).isDirectory()).toBe(true);
  });

  it("is another for another precision, release or file of weights", async () => {
    const folders = [await blobFolder(graph(), COMPILER)];
    const properties = { INFERENCE_PRECISION_HINT: "bf16" };
    folders.push(await blobFolder(graph(), { ...COMPILER, properties }));
    folders.push(await blobFolder(graph(), { ...COMPILER, release: "2025.0.0" }));
    await utimes(join(folder, "a.data"), 1, 1);
    folders.push(await blobFolder(graph(), COMPILER));
    expect(new Set(folders).size).toBe(4);
  });

  it("is none for large graphs, and where nothing can be written", async () => {
    expect(await blobFolder(graph(2 ** 30), COMPILER)).toBeUndefined();
    vi.stubEnv("LATENTSYNC_HOME", join(folder, "a.onnx"));
    expect(await blobFolder(graph(), COMPILER)).toBeUndefined();
  });
});
