import { AVFMT_GLOBALHEADER } from "node-av/constants";
import { Dictionary, FormatContext, type IRational, type Packet, type Stream } from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";
import { fileUrl, silenceFfmpeg } from "./media-input.ts";

/** Tags that have a place of their own in MP4; others need QuickTime's way of writing tags. */
const MP4_TAGS: ReadonlySet<string> = new Set([
  "album",
  "artist",
  "comment",
  "composer",
  "copyright",
  "date",
  "description",
  "genre",
  "lyrics",
  "synopsis",
  "title",
  // FFmpeg writes it into QuickTime files; for MP4, `appendXmp` does.
  "xmp",
]);

/** Of these, those that have none in QuickTime files. */
const NOT_IN_MOV: ReadonlySet<string> = new Set(["composer", "description", "lyrics", "synopsis"]);

const WRITE_HINT = "Check the output's folder and the free space on its disk.";

export interface MuxerOptions {
  /** FFmpeg's name of the container. */
  readonly muxer: string;
  /** What errors name: the file is written elsewhere first. */
  readonly shownPath: string;
  /** Tags of the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Writes packets of several streams to one file. Calls must not overlap. */
export class Muxer implements AsyncDisposable {
  readonly #context: FormatContext;
  readonly #path: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #muxer: string;
  #open = false;
  #headerWritten = false;

  private constructor(context: FormatContext, options: MuxerOptions) {
    this.#context = context;
    this.#path = options.shownPath;
    this.#metadata = options.metadata;
    this.#muxer = options.muxer;
  }

  static async create(path: string, options: MuxerOptions): Promise<Muxer> {
    silenceFfmpeg();
    const context = new FormatContext();
    const created = new Muxer(context, options);
    const { muxer, metadata } = options;
    try {
      checkResult(
        context.allocOutputContext2(null, muxer, fileUrl(path)),
        "unsupported",
        `FFmpeg has no ${muxer} writer`,
        "Choose another output extension.",
      );
      if (Object.keys(metadata).length > 0) context.metadata = Dictionary.fromObject(metadata);
      created.#check(await context.openOutput());
      created.#open = true;
      return created;
    } catch (error) {
      await created[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether encoders must put their headers beside the stream. */
  get wantsGlobalHeader(): boolean {
    return this.#context.oformat?.hasFlags(AVFMT_GLOBALHEADER) ?? false;
  }

  addStream(): Stream {
    return this.#context.newStream();
  }

  async writeHeader(): Promise<void> {
    using options = Dictionary.fromObject(this.#headerOptions());
    this.#check(await this.#context.writeHeader(options));
    this.#headerWritten = true;
  }

  #headerOptions(): Record<string, string> {
    if (this.#muxer === "matroska" || this.#muxer === "webm") {
      // Without the numbers drawn by lot that name its parts: the same frames give the same file.
      return { fflags: "+bitexact" };
    }
    // XMP has its place beside plain tags alone, and goes before some that QuickTime then leaves out.
    const keepsAll = this.#muxer === "mov" && !("xmp" in this.#metadata);
    const plain = Object.keys(this.#metadata).every(
      (key) => MP4_TAGS.has(key) && !(keepsAll && NOT_IN_MOV.has(key)),
    );
    return { movflags: plain ? "+faststart" : "+faststart+use_metadata_tags" };
  }

  /** Takes over the packet's content. `timeBase` is that of its times. */
  async write(packet: Packet, stream: Stream, timeBase: IRational): Promise<void> {
    packet.streamIndex = stream.index;
    packet.rescaleTs(timeBase, stream.timeBase);
    packet.pos = -1n;
    this.#check(await this.#context.interleavedWriteFrame(packet));
  }

  /** Completes the file. */
  async finish(): Promise<void> {
    this.#check(await this.#context.writeTrailer());
    await this.#context.flush();
    const error = this.#context.pb?.error ?? 0;
    this.#check(error);
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    this.#context.freeContext();
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#context.closeOutput();
  }

  #check(result: number): void {
    const what = this.#headerWritten ? "written" : "started";
    checkResult(result, "io", `The output ${this.#path} cannot be ${what}`, WRITE_HINT);
  }
}
