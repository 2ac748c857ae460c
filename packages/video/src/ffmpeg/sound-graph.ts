import { LatentSyncError } from "@ls/core";
import {
  AV_BUFFERSRC_FLAG_KEEP_REF,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  type AVSampleFormat,
} from "node-av/constants";
import {
  avChannelLayoutDescribe,
  avGetSampleFmtName,
  Filter,
  type FilterContext,
  FilterGraph,
  type Frame,
} from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";

export interface SoundGraphOptions {
  readonly sampleRate: number;
  readonly channels: number;
  readonly sampleFormat: AVSampleFormat;
  readonly frameSamples: number;
}

interface Links {
  /** What the graph was built for. */
  readonly input: string;
  readonly graph: FilterGraph;
  readonly source: FilterContext;
  readonly sink: FilterContext;
}

const HINT = "Convert the sound to WAV first.";

/** Resamples decoded sound and cuts it into frames of one length. Built when sound arrives. */
export class SoundGraph implements Disposable {
  readonly #options: SoundGraphOptions;
  #links: Links | undefined;

  constructor(options: SoundGraphOptions) {
    this.#options = options;
  }

  /** Adds decoded sound, which stays the caller's. */
  async put(frame: Frame): Promise<void> {
    const input = describeInput(frame);
    this.#links ??= await this.#build(input);
    if (this.#links.input !== input) {
      throw new LatentSyncError(
        "unsupported",
        `The sound changes its format in the middle, from ${this.#links.input} to ${input}.`,
        { hint: HINT },
      );
    }
    check(await this.#links.source.buffersrcAddFrame(frame, AV_BUFFERSRC_FLAG_KEEP_REF));
  }

  /** No more sound will come. */
  async end(): Promise<void> {
    if (this.#links) check(await this.#links.source.buffersrcAddFrame(null));
  }

  /** Moves the next frame of `frameSamples` (the last may be shorter) to `target`; false if none. */
  async take(target: Frame): Promise<boolean> {
    if (!this.#links) return false;
    const result = await this.#links.sink.buffersinkGetFrame(target);
    if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return false;
    check(result);
    return true;
  }

  [Symbol.dispose](): void {
    this.#links?.graph.free();
    this.#links = undefined;
  }

  async #build(input: string): Promise<Links> {
    const { sampleRate, channels, sampleFormat, frameSamples } = this.#options;
    const graph = new FilterGraph();
    graph.alloc();
    try {
      const source = add(graph, "abuffer", input);
      const filters = [
        add(graph, "aresample", String(sampleRate)),
        add(
          graph,
          "aformat",
          `sample_fmts=${avGetSampleFmtName(sampleFormat)}:sample_rates=${sampleRate}` +
            `:channel_layouts=${channels === 1 ? "mono" : "stereo"}`,
        ),
        add(graph, "asetnsamples", `n=${frameSamples}:p=0`),
      ];
      const sink = add(graph, "abuffersink", "");
      let last = source;
      for (const next of [...filters, sink]) {
        check(last.link(0, next, 0));
        last = next;
      }
      check(await graph.config());
      return { input, graph, source, sink };
    } catch (error) {
      graph.free();
      throw error;
    }
  }
}

/** Arguments of FFmpeg's `abuffer` for a decoded frame. */
function describeInput(frame: Frame): string {
  const layout = frame.channelLayout;
  const named = layout.mask > 0n ? avChannelLayoutDescribe(layout) : undefined;
  return (
    `sample_rate=${frame.sampleRate}:sample_fmt=${avGetSampleFmtName(frame.format as AVSampleFormat)}` +
    `:time_base=1/${frame.sampleRate}:channel_layout=${named ?? `${layout.nbChannels}c`}`
  );
}

function add(graph: FilterGraph, name: string, args: string): FilterContext {
  const filter = Filter.getByName(name);
  const context = filter && graph.createFilter(filter, name, args);
  if (context) return context;
  throw new LatentSyncError("unsupported", `FFmpeg cannot create its filter "${name}" (${args}).`, {
    hint: HINT,
  });
}

function check(result: number): void {
  checkResult(result, "unsupported", "The sound cannot be converted", HINT);
}
