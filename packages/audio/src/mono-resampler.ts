import {
  AV_CHANNEL_ORDER_NATIVE,
  AV_CHANNEL_ORDER_UNSPEC,
  AV_SAMPLE_FMT_S16,
} from "node-av/constants";
import {
  avChannelLayoutDefault,
  type ChannelLayout,
  FFmpegError,
  Frame,
  SoftwareResampleContext,
} from "node-av/lib";

/** Rate of everything that the speech encoder sees. */
export const speechSampleRateHz = 16_000;

const MONO: ChannelLayout = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n };

function sameLayout(a: ChannelLayout, b: ChannelLayout): boolean {
  return a.nbChannels === b.nbChannels && a.order === b.order && a.mask === b.mask;
}

/**
 * FFmpeg's swresample with the settings of its command line: to 16 kHz, one channel, rounded to 16
 * bits without dither. Frames may change their format on the way.
 */
export class MonoResampler implements Disposable {
  readonly #output: Frame = new Frame();
  #context: SoftwareResampleContext | undefined;
  #source: { layout: ChannelLayout; rate: number; format: number } | undefined;
  /** The layout that the context reads an unspecified one as. */
  #layout: ChannelLayout = MONO;

  constructor() {
    this.#output.alloc();
  }

  /** Converts one frame. The frame stays the caller's; the samples are valid until the next call. */
  *convert(frame: Frame): Generator<Int16Array> {
    const source = {
      layout: frame.channelLayout,
      rate: frame.sampleRate,
      format: Number(frame.format),
    };
    if (
      this.#source === undefined ||
      source.rate !== this.#source.rate ||
      source.format !== this.#source.format ||
      !sameLayout(source.layout, this.#source.layout)
    ) {
      yield* this.finish();
      this.#configure(frame);
      this.#source = source;
    }
    frame.channelLayout = this.#layout;
    const samples = this.#run(frame);
    if (samples !== undefined) yield samples;
  }

  /** The samples that the filter still holds. */
  *finish(): Generator<Int16Array> {
    if (this.#context === undefined) return;
    for (let samples = this.#run(null); samples !== undefined; samples = this.#run(null)) {
      yield samples;
    }
    this.#context.free();
    this.#context = undefined;
    this.#source = undefined;
  }

  #configure(frame: Frame): void {
    const { channelLayout, sampleRate } = frame;
    this.#layout =
      channelLayout.order === AV_CHANNEL_ORDER_UNSPEC
        ? avChannelLayoutDefault(channelLayout.nbChannels)
        : channelLayout;
    if (this.#initialize(frame, sampleRate, false) < 0) {
      // No speaker positions are known for this number of channels: every channel counts the same.
      FFmpegError.throwIfError(this.#initialize(frame, sampleRate, true), "swr_init");
    }
  }

  #initialize(frame: Frame, sampleRate: number, average: boolean): number {
    this.#context?.free();
    const context = new SoftwareResampleContext();
    this.#context = context;
    const allocated = context.allocSetOpts2(
      MONO,
      AV_SAMPLE_FMT_S16,
      speechSampleRateHz,
      this.#layout,
      frame.format as typeof AV_SAMPLE_FMT_S16,
      sampleRate,
    );
    if (allocated < 0) return allocated;
    const { nbChannels } = this.#layout;
    if (average) {
      const set = context.setMatrix(
        Array.from({ length: nbChannels }, () => 1 / nbChannels),
        nbChannels,
      );
      if (set < 0) return set;
    }
    return context.init();
  }

  #run(frame: Frame | null): Int16Array | undefined {
    const output = this.#output;
    output.unref();
    output.format = AV_SAMPLE_FMT_S16;
    output.sampleRate = speechSampleRateHz;
    output.channelLayout = MONO;
    const context = this.#context as SoftwareResampleContext;
    FFmpegError.throwIfError(context.convertFrame(output, frame), "swr_convert_frame");
    const bytes = output.nbSamples > 0 ? output.data?.[0] : undefined;
    return bytes === undefined
      ? undefined
      : new Int16Array(bytes.buffer, bytes.byteOffset, output.nbSamples);
  }

  [Symbol.dispose](): void {
    this.#context?.free();
    this.#context = undefined;
    this.#output.free();
  }
}
