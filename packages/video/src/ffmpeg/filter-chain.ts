/** A row of FFmpeg's filters for pictures of one size and format. */
import { LatentSyncError } from "@ls/core";
import {
  type AVPixelFormat,
  AV_BUFFERSRC_FLAG_KEEP_REF,
  AVERROR_EAGAIN,
  AVERROR_EOF,
} from "node-av/constants";
import {
  Filter,
  type FilterContext,
  FilterGraph,
  type Frame,
  Frame as NativeFrame,
  type IRational,
} from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";

/** A filter of FFmpeg and its arguments. */
export type FilterStep = readonly [name: string, args: string];

/** What the filters are for, and what to do where they fail; for people. */
export interface FilterPurpose {
  readonly failure: string;
  readonly hint: string;
}

export class FilterChain implements Disposable {
  readonly #graph: FilterGraph;
  readonly #purpose: FilterPurpose;
  readonly #source: FilterContext;
  readonly #sink: FilterContext;

  private constructor(graph: FilterGraph, purpose: FilterPurpose, ends: readonly FilterContext[]) {
    this.#graph = graph;
    this.#purpose = purpose;
    [this.#source, this.#sink] = ends as [FilterContext, FilterContext];
  }

  /** @param like a frame such as will be filtered. */
  static async create(
    steps: readonly FilterStep[],
    like: Frame,
    timeBase: IRational,
    purpose: FilterPurpose,
  ): Promise<FilterChain> {
    const graph = new FilterGraph();
    graph.alloc();
    try {
      const source = addFilter(graph, ["buffer", describeInput(like, timeBase)], purpose);
      let last = source;
      for (const step of [...steps, ["buffersink", ""] as const]) {
        const next = addFilter(graph, step, purpose);
        check(last.link(0, next, 0), purpose);
        last = next;
      }
      check(await graph.config(), purpose);
      return new FilterChain(graph, purpose, [source, last]);
    } catch (error) {
      graph.free();
      throw error;
    }
  }

  /** Gives a frame, which stays the caller's, or the end to the first filter. */
  async put(frame: Frame | null): Promise<void> {
    check(await this.#source.buffersrcAddFrame(frame, AV_BUFFERSRC_FLAG_KEEP_REF), this.#purpose);
  }

  /** The next filtered frame, which the caller frees; `undefined` if more must be put first. */
  async take(): Promise<Frame | undefined> {
    const frame = new NativeFrame();
    frame.alloc();
    try {
      const result = await this.#sink.buffersinkGetFrame(frame);
      if (result !== AVERROR_EAGAIN && result !== AVERROR_EOF) {
        check(result, this.#purpose);
        return frame;
      }
    } catch (error) {
      frame.free();
      throw error;
    }
    frame.free();
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#graph.free();
  }
}

/** Arguments of FFmpeg's `buffer` for frames like this one. */
function describeInput(like: Frame, timeBase: IRational): string {
  const aspect = like.sampleAspectRatio;
  return (
    `width=${like.width}:height=${like.height}:pix_fmt=${like.format as AVPixelFormat}` +
    `:time_base=${timeBase.num}/${timeBase.den}:sar=${aspect.num}/${Math.max(1, aspect.den)}` +
    `:colorspace=${like.colorSpace}:range=${like.colorRange}`
  );
}

function addFilter(graph: FilterGraph, [name, args]: FilterStep, purpose: FilterPurpose) {
  const filter = Filter.getByName(name);
  const context = filter && graph.createFilter(filter, name, args);
  if (context) return context;
  throw new LatentSyncError(
    "unsupported",
    `${purpose.failure}: its filter "${name}" (${args}) cannot be created.`,
    { hint: purpose.hint },
  );
}

function check(result: number, { failure, hint }: FilterPurpose): void {
  checkResult(result, "unsupported", failure, hint);
}
