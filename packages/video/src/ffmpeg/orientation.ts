/**
 * Turns frames upright. Which filters a display matrix asks for follows FFmpeg's `fftools`
 * (`insert_filter` for autorotate); right angles and mirrorings only.
 */
import { LatentSyncError } from "@ls/core";
import { type AVPixelFormat, AV_BUFFERSRC_FLAG_KEEP_REF } from "node-av/constants";
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
export type OrientationFilter = readonly [
  name: "copy" | "hflip" | "transpose" | "vflip",
  args: string,
];

/** Filters that undo a display matrix; none for one that is upright. */
export function orientationFilters(
  matrix: Uint8Array | undefined,
  path: string,
): readonly OrientationFilter[] {
  if (!matrix || matrix.length < 36) return [];
  const view = new DataView(matrix.buffer, matrix.byteOffset, 36);
  const m = Array.from({ length: 9 }, (_, index) => view.getInt32(index * 4, LITTLE_ENDIAN));
  const [a = 0, b = 0, , c = 0, d = 0] = m;
  if ((a === 0 && c === 0) || (b === 0 && d === 0)) return [];
  const radians = Math.atan2(b / Math.hypot(b, d), a / Math.hypot(a, c));
  const degrees = (Math.round((radians * 180) / Math.PI) + 360) % 360;
  if (Math.abs(degrees - 90) < 1) return [["transpose", c > 0 ? "cclock_flip" : "clock"]];
  if (Math.abs(degrees - 270) < 1) return [["transpose", c < 0 ? "clock_flip" : "cclock"]];
  if (Math.abs(degrees - 180) < 1) {
    const filters: OrientationFilter[] = [];
    if (a < 0) filters.push(["hflip", ""]);
    if (d < 0) filters.push(...FLIP_ROWS);
    return filters;
  }
  if (degrees <= 1 || degrees >= 359) return d < 0 ? FLIP_ROWS : [];
  throw new LatentSyncError(
    "unsupported",
    `${path} is to be shown turned by ${degrees} degrees; only multiples of 90 are supported.`,
    { hint: "Re-encode the video upright first." },
  );
}

/** `vflip` alone gives pictures that run backward in memory; `copy` sets that right. */
const FLIP_ROWS: readonly OrientationFilter[] = [
  ["vflip", ""],
  ["copy", ""],
];

const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A filter graph for frames of one size and format. */
export class OrientationGraph implements Disposable {
  readonly #graph: FilterGraph;
  readonly #source: FilterContext;
  readonly #sink: FilterContext;

  private constructor(graph: FilterGraph, source: FilterContext, sink: FilterContext) {
    this.#graph = graph;
    this.#source = source;
    this.#sink = sink;
  }

  static async create(
    filters: readonly OrientationFilter[],
    like: Frame,
    timeBase: IRational,
  ): Promise<OrientationGraph> {
    const graph = new FilterGraph();
    graph.alloc();
    try {
      const aspect = like.sampleAspectRatio;
      const source = addFilter(
        graph,
        "buffer",
        `width=${like.width}:height=${like.height}:pix_fmt=${like.format as AVPixelFormat}` +
          `:time_base=${timeBase.num}/${timeBase.den}:sar=${aspect.num}/${Math.max(1, aspect.den)}` +
          `:colorspace=${like.colorSpace}:range=${like.colorRange}`,
      );
      let last = source;
      for (const [name, args] of filters) {
        const next = addFilter(graph, name, args);
        checkLink(last.link(0, next, 0));
        last = next;
      }
      const sink = addFilter(graph, "buffersink", "");
      checkLink(last.link(0, sink, 0));
      checkLink(await graph.config());
      return new OrientationGraph(graph, source, sink);
    } catch (error) {
      graph.free();
      throw error;
    }
  }

  /** The upright frame, which the caller frees. `frame` stays the caller's. */
  async apply(frame: Frame): Promise<Frame> {
    checkLink(await this.#source.buffersrcAddFrame(frame, AV_BUFFERSRC_FLAG_KEEP_REF));
    const upright = new NativeFrame();
    upright.alloc();
    try {
      checkLink(await this.#sink.buffersinkGetFrame(upright));
    } catch (error) {
      upright.free();
      throw error;
    }
    return upright;
  }

  [Symbol.dispose](): void {
    this.#graph.free();
  }
}

function addFilter(graph: FilterGraph, name: string, args: string): FilterContext {
  const filter = Filter.getByName(name);
  const context = filter && graph.createFilter(filter, name, args);
  if (!context) {
    throw new LatentSyncError(
      "unsupported",
      `FFmpeg cannot create its filter "${name}" (${args}).`,
      {
        hint: "Re-encode the video upright first.",
      },
    );
  }
  return context;
}

function checkLink(result: number): void {
  checkResult(
    result,
    "unsupported",
    "FFmpeg cannot turn this video upright",
    "Re-encode the video upright first.",
  );
}
