/** The output's sound: copied where the container holds it as it is, else encoded once. */
import { LatentSyncError } from "@ls/core";
import { AVMEDIA_TYPE_AUDIO } from "node-av/constants";
import { avGetCodecName, type Stream } from "node-av/lib";
import { MediaInput } from "./media-input.ts";
import type { Muxer } from "./muxer.ts";
import { type Container, copiesSound } from "./output-format.ts";
import { CopiedSound } from "./sound-copy.ts";
import { EncodedSound } from "./sound-encoder.ts";

/**
 * A sound stream that is written in step with the pictures. The first sample that a player hears
 * is at time 0.
 */
export interface SoundTrack extends AsyncDisposable {
  /** Adds the stream to the output; before its header is written. */
  attach(muxer: Muxer): Promise<void>;
  /** Writes sound up to `seconds`, as far as whole packets allow. */
  writeUntil(seconds: number): Promise<void>;
  /** Writes the rest, cut at `seconds`. */
  finish(seconds: number): Promise<void>;
}

/** Opens the sound of a file. @throws LatentSyncError `not_found`, `io` or `invalid_media`. */
export async function openSoundTrack(
  path: string,
  container: Container,
  signal: AbortSignal | undefined,
): Promise<SoundTrack> {
  const input = await MediaInput.open(path, signal ? { signal } : {});
  try {
    const stream = audioStream(input);
    input.select(stream);
    const codec = avGetCodecName(stream.codecpar.codecId) ?? "unknown";
    if (copiesSound(container, codec, stream.codecpar.sampleRate)) {
      return new CopiedSound(input, stream);
    }
    return await EncodedSound.create(input, stream, container.soundEncoder);
  } catch (error) {
    await input[Symbol.asyncDispose]();
    throw error;
  }
}

function audioStream(input: MediaInput): Stream {
  const stream = input.bestStream(AVMEDIA_TYPE_AUDIO);
  if (stream && stream.codecpar.sampleRate > 0 && stream.codecpar.channelLayout.nbChannels > 0)
    return stream;
  throw new LatentSyncError("invalid_media", `${input.path} has no sound.`, {
    hint: "Give a sound file, or a video that has a sound track.",
  });
}
