/** Plays a video for as long as the speech lasts, and says which model frame each picture shows. */
import { LatentSyncError } from "../errors.ts";
import type { VideoFrame, VideoReader } from "../video.ts";

/** Model frames per second: the rate that LatentSync was trained at. */
export const MODEL_FRAMES_PER_SECOND = 25;

/**
 * What happens when speech and video are not equally long. Speech that lasts longer: `pingpong` plays
 * the video back and forth, as the official pipeline; `loop` begins again; `freeze` holds the last
 * picture; `cut` ends the output with the video. A video that lasts longer is cut where the speech
 * ends, but for `silence`: it plays to its end without sound, and else like `pingpong`.
 */
export type LoopMode = "pingpong" | "loop" | "freeze" | "cut" | "silence";

/** A picture at its place in the output. */
export interface PlayedFrame {
  readonly frame: VideoFrame;
  /** When it is shown in the output. */
  readonly timeSeconds: number;
  /** The model frame whose mouth it shows, of 25 a second. */
  readonly slot: number;
  /** The last picture of its slot. */
  readonly endsSlot: boolean;
}

export interface PlaybackOptions {
  readonly reader: VideoReader;
  /** Model frames that the speech lasts for. */
  readonly slots: number;
  readonly loop: LoopMode;
  readonly signal: AbortSignal;
}

type TimedFrame = Pick<PlayedFrame, "frame" | "timeSeconds">;

/** Frames that are decoded together when the video runs backwards: memory against seeks. */
const REVERSE_BLOCK = 32;

/**
 * The pictures of the output in order. The consumer disposes their frames. Memory does not grow with
 * the length.
 * @throws LatentSyncError `invalid_media` if the video has no frames.
 */
export async function* playVideo(options: PlaybackOptions): AsyncGenerator<PlayedFrame> {
  const { reader, slots, loop, signal } = options;
  const whole = loop === "silence";
  let held: Omit<PlayedFrame, "endsSlot"> | undefined;
  try {
    for await (const { frame, timeSeconds, pass } of passes(reader, loop, signal)) {
      const slot = slotAt(timeSeconds);
      const before = held;
      if (slot >= slots && !(whole && pass === 0)) {
        frame[Symbol.dispose]();
        break;
      }
      held = { frame, timeSeconds, slot };
      if (before !== undefined) yield { ...before, endsSlot: slot !== before.slot };
    }
    const last = held;
    held = undefined;
    if (last !== undefined) yield { ...last, endsSlot: true };
  } finally {
    held?.frame[Symbol.dispose]();
  }
}

/** Pictures that {@link playVideo} will give, if the reader knows how many the video has. */
export function estimatePictures({
  reader: { info },
  slots,
  loop,
}: Pick<PlaybackOptions, "reader" | "slots" | "loop">): number {
  const wanted = Math.round((slots * info.framesPerSecond) / MODEL_FRAMES_PER_SECOND);
  const present = info.estimatedFrameCount;
  if (present === undefined) return wanted;
  if (loop === "cut") return Math.min(wanted, present);
  return loop === "silence" ? Math.max(wanted, present) : wanted;
}

/**
 * `count` frames of a video that may be shorter: it runs forward, then back, then forward again, with
 * the frame at each end twice, as the official pipeline loops.
 * @throws LatentSyncError `invalid_media` if the video has no frames.
 */
export async function* frameSequence(
  reader: VideoReader,
  count: number,
  signal: AbortSignal,
): AsyncGenerator<VideoFrame> {
  let emitted = 0;
  if (count <= 0) return;
  for await (const { frame } of passes(reader, "pingpong", signal)) {
    emitted += 1;
    yield frame;
    if (emitted >= count) return;
  }
}

/** The model frame that is nearest in time. */
function slotAt(timeSeconds: number): number {
  // Sums of times may be off in their last digits.
  return Math.floor(timeSeconds * MODEL_FRAMES_PER_SECOND + 0.5 + 1e-6);
}

/** The video over and over, forward at first; without end but for `cut`. */
async function* passes(
  reader: VideoReader,
  loop: LoopMode,
  signal: AbortSignal,
): AsyncGenerator<TimedFrame & { readonly pass: number }> {
  const frameSeconds = 1 / reader.info.framesPerSecond;
  let count = 0;
  let length = 0;
  for await (const frame of reader.frames({ signal })) {
    const { timeSeconds } = frame;
    count += 1;
    length = timeSeconds + frameSeconds;
    yield { frame, timeSeconds, pass: 0 };
  }
  if (count === 0) {
    throw new LatentSyncError("invalid_media", "The video has no frames.", {
      hint: "Check the file with a player, or export it again.",
    });
  }
  if (loop === "cut") return;
  for (let pass = 1; ; pass++) {
    const start = pass * length;
    for await (const { frame, timeSeconds } of nextPass(loop, pass)) {
      yield { frame, timeSeconds: start + timeSeconds, pass };
    }
  }

  function nextPass(kind: LoopMode, pass: number): AsyncIterable<TimedFrame> {
    if (kind === "freeze") return still(reader, { index: count - 1, length }, signal);
    return kind === "loop" || pass % 2 === 0
      ? forward(reader, signal)
      : backward(reader, { count, length }, signal);
  }
}

async function* forward(reader: VideoReader, signal: AbortSignal): AsyncGenerator<TimedFrame> {
  for await (const frame of reader.frames({ signal })) {
    yield { frame, timeSeconds: frame.timeSeconds };
  }
}

/** The whole video, last frame first: each is shown for as long as before. */
async function* backward(
  reader: VideoReader,
  { count, length }: { readonly count: number; readonly length: number },
  signal: AbortSignal,
): AsyncGenerator<TimedFrame> {
  let shownUntil = length;
  for (let end = count; end > 0; end -= REVERSE_BLOCK) {
    const block: VideoFrame[] = [];
    try {
      const start = Math.max(0, end - REVERSE_BLOCK);
      for await (const frame of reader.frames({ start, end, signal })) block.push(frame);
      while (block.length > 0) {
        const frame = block.pop() as VideoFrame;
        const timeSeconds = length - shownUntil;
        shownUntil = frame.timeSeconds;
        yield { frame, timeSeconds };
      }
    } finally {
      for (const frame of block) frame[Symbol.dispose]();
    }
  }
}

/** One frame for `length` seconds. */
async function* still(
  reader: VideoReader,
  { index, length }: { readonly index: number; readonly length: number },
  signal: AbortSignal,
): AsyncGenerator<TimedFrame> {
  const { framesPerSecond } = reader.info;
  for await (const decoded of reader.frames({ start: index, end: index + 1, signal })) {
    using frame = decoded;
    for (let number = 0; number < Math.round(length * framesPerSecond); number++) {
      yield { frame: frame.clone(), timeSeconds: number / framesPerSecond };
    }
  }
}
