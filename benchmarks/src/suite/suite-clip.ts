/** Writes the inputs of a case, and knows what a perfect model would make of them. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeWav } from "@ls/audio";
import type { VideoReader } from "@ls/core";
import type { SyntheticSpeech } from "@ls/synthetic";
import { createFfmpegVideoSink, createPictureVideo, writeVideo } from "@ls/video";
import { FRAMES_PER_SECOND } from "../clip.ts";
import { playedFrame, type SuiteCase } from "./cases.ts";
import { hashingSink } from "./frame-hash.ts";
import type { SuiteInputs } from "./suite-report.ts";

export interface SuiteClip {
  readonly case: SuiteCase;
  readonly videoPath: string;
  readonly audioPath: string;
  readonly inputs: SuiteInputs;
  /** The same scene with the new speech on its lips; drawn while it is read. */
  readonly truth: VideoReader;
}

/** Writes the video, losslessly, and the speech into `folder`. */
export async function writeSuiteClip(
  suiteCase: SuiteCase,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<SuiteClip> {
  const { name, sourceFrames, expected } = suiteCase;
  const [oldSpeech, newSpeech] = [suiteCase.oldSpeech(), suiteCase.newSpeech()];
  const audioPath = join(folder, `${name}.wav`);
  const videoPath = join(folder, `${name}.mkv`);
  await writeWav(audioPath, newSpeech.samples, newSpeech.sampleRateHz);
  const hashing = hashingSink(createFfmpegVideoSink({ codec: "ffv1" }));
  await using source = drawn(suiteCase, oldSpeech, sourceFrames);
  await writeVideo({ sink: hashing.sink, source, path: videoPath, audioPath, signal });
  const speech = createHash("sha256")
    .update(await readFile(audioPath))
    .digest("hex");
  return {
    case: suiteCase,
    videoPath,
    audioPath,
    inputs: { picturesSha256: hashing.digest(), speechSha256: speech },
    truth: drawn(suiteCase, newSpeech, expected.frames),
  };
}

function drawn(
  { scene, sourceFrames }: SuiteCase,
  speech: SyntheticSpeech,
  frameCount: number,
): VideoReader {
  return createPictureVideo({
    ...scene.size,
    frameCount,
    picture: (frame) =>
      scene.draw(
        playedFrame(frame, sourceFrames),
        speech.articulationAt(frame / FRAMES_PER_SECOND),
      ),
  });
}
