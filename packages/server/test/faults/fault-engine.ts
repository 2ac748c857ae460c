/**
 * The fake engine behind the real service. A job's video is a `FaultScript` behind bytes that pass
 * for the head of an MP4 file; what the engine does is told in the script's journal, a line each:
 * `JOB WORD PID TIME`, with WORD `begin`, `step-CHUNK`, `segment-CHUNK` or `end`.
 */
import { randomBytes } from "node:crypto";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LipSyncEvent } from "@ls/core";
import type { Engine, EngineRequest } from "../../src/work/engine.ts";
import {
  createEngine as createFakeEngine,
  type FakeEngineOptions,
  type FakeScript,
} from "../work/fake-engine.ts";

export interface FaultScript extends FakeScript {
  /** Name of the job in the journal. */
  readonly name: string;
  readonly journal: string;
  /** How much longer the result is than its text. */
  readonly paddingBytes?: number;
  /** Written into the segments' folder before the first step. */
  readonly rubbishBytes?: number;
}

const MP4_HEAD = Buffer.from("\0\0\0\u0010ftypisom\0\0\u0002\0", "latin1");

export const speech: Buffer = Buffer.from("RIFF\u0024\0\0\0WAVEfmt ", "latin1");

export function videoOf(script: FaultScript): Buffer {
  return Buffer.concat([MP4_HEAD, Buffer.from(JSON.stringify(script))]);
}

/** The result of such a job. */
export function resultOf({ segments = 4, paddingBytes = 0 }: FaultScript): Buffer {
  const text = Buffer.from(`result of ${segments} segments with seed 1247\n`);
  return Buffer.concat([text, Buffer.alloc(paddingBytes)]);
}

async function* follow(
  events: AsyncIterable<LipSyncEvent>,
  script: FaultScript,
  request: EngineRequest,
): AsyncGenerator<LipSyncEvent> {
  const tell = async (word: string): Promise<void> => {
    await appendFile(script.journal, `${script.name} ${word} ${process.pid} ${Date.now()}\n`);
  };
  await tell("begin");
  try {
    if (script.rubbishBytes !== undefined) {
      await writeFile(join(request.segmentsFolder, "rubbish"), randomBytes(script.rubbishBytes));
    }
    for await (const event of events) {
      if (event.type === "step" && event.restored === undefined) await tell(`step-${event.chunk}`);
      if (event.type === "frames") await tell(`segment-${event.frames / 16 - 1}`);
      if (event.type === "done") {
        await appendFile(request.outputPath, Buffer.alloc(script.paddingBytes ?? 0));
      }
      yield event;
    }
  } finally {
    await tell("end");
  }
}

export async function createEngine(options: FakeEngineOptions): Promise<Engine> {
  const engine = await createFakeEngine(options);
  return {
    ...engine,
    async *run(request) {
      const bytes = await readFile(request.videoPath);
      const text = bytes.toString("utf8", MP4_HEAD.length);
      const script = JSON.parse(text) as FaultScript;
      const { journal: _, ...fake } = script;
      const videoPath = join(request.segmentsFolder, "script.json");
      await writeFile(videoPath, JSON.stringify(fake));
      try {
        yield* follow(engine.run({ ...request, videoPath }), script, request);
      } finally {
        await rm(videoPath, { force: true });
      }
    },
  };
}
