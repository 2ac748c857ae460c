/** What the parts of `runtimeConformance` share. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  float32,
  LatentSyncError,
  type LatentSyncErrorCode,
  type Runtime,
  type Session,
  type Tensor,
} from "@ls/core";
import { afterAll, beforeAll, expect } from "vitest";

export type CreateRuntime = () => Promise<Runtime>;

export function vector(...elements: number[]): Tensor<"float32"> {
  return float32([elements.length], Float32Array.from(elements));
}

export function values(result: Record<string, Tensor>, name: string): number[] {
  return Array.from(result[name]?.data ?? [], Number);
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

export async function expectError(
  promise: Promise<unknown>,
  code: LatentSyncErrorCode,
  text?: string,
): Promise<void> {
  const error = await failure(promise);
  expect(LatentSyncError.is(error), `expected a LatentSyncError, got ${String(error)}`).toBe(true);
  expect(error).toMatchObject({ code });
  if (text !== undefined) expect((error as LatentSyncError).message).toContain(text);
}

export interface Fixture {
  readonly runtime: Runtime;
  /** A session on a model, disposed with the fixture's runtime at the latest. */
  session(model: Uint8Array): Promise<Session>;
  /** A file in a folder of the suite's own. */
  file(name: string, content: Uint8Array): Promise<string>;
}

export function useFixture(create: CreateRuntime): () => Fixture {
  let runtime: Runtime | undefined;
  let folder: string | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "runtime-conformance-"));
    runtime = await create();
  });
  afterAll(async () => {
    await runtime?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });
  return () => {
    if (runtime === undefined || folder === undefined) throw new Error("The runtime is missing.");
    const [used, place] = [runtime, folder];
    return {
      runtime: used,
      session: (model) => used.createSession({ bytes: model }),
      file: async (name, content) => {
        const path = join(place, name);
        await writeFile(path, content);
        return path;
      },
    };
  };
}
