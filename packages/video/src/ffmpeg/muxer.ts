import { AVFMT_GLOBALHEADER } from "node-av/constants";
import { Dictionary, FormatContext, type IRational, type Packet, type Stream } from "node-av/lib";
import { checkResult } from "./ffmpeg-error.ts";
import { fileUrl, silenceFfmpeg } from "./media-input.ts";

const WRITE_HINT = "Check the output's folder and the free space on its disk.";

/** Writes packets of several streams to one file. Calls must not overlap. */
export class Muxer implements AsyncDisposable {
  readonly #context: FormatContext;
  readonly #path: string;
  #open = false;
  #headerWritten = false;

  private constructor(context: FormatContext, path: string) {
    this.#context = context;
    this.#path = path;
  }

  /**
   * @param muxer FFmpeg's name of the container.
   * @param shownPath what errors name, if the file is written elsewhere first.
   */
  static async create(path: string, muxer: string, shownPath: string = path): Promise<Muxer> {
    silenceFfmpeg();
    const context = new FormatContext();
    const created = new Muxer(context, shownPath);
    try {
      checkResult(
        context.allocOutputContext2(null, muxer, fileUrl(path)),
        "unsupported",
        `FFmpeg has no ${muxer} writer`,
        "Choose another output extension.",
      );
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
    using options = Dictionary.fromObject({ movflags: "+faststart" });
    this.#check(await this.#context.writeHeader(options));
    this.#headerWritten = true;
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
