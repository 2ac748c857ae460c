import type { VideoSink, VideoWriterOptions } from "@ls/core";

export interface WriteVideoOptions extends VideoWriterOptions {
  readonly sink: VideoSink;
}

/**
 * Writes every frame of `source` as it is, with a sound. The source stays the caller's to dispose.
 * @throws LatentSyncError as the sink and the source; the signal's reason. Nothing is left behind then.
 */
export async function writeVideo({ sink, ...options }: WriteVideoOptions): Promise<void> {
  const { source, signal } = options;
  await using writer = await sink.create(options);
  for await (const decoded of source.frames(signal === undefined ? {} : { signal })) {
    using frame = decoded;
    await writer.write(frame);
  }
  await writer.finish();
}
