/** XMP in ISO media files: a box of their top level, as Adobe's XMP specification, part 3, has it. */
import { open } from "node:fs/promises";
import { fileError } from "./ffmpeg-error.ts";

/** The type of `uuid` boxes that hold an XMP packet. */
const XMP_BOX = Buffer.from("be7acfcb97a942e89c71999491e3afac", "hex");
const HEADER_BYTES = 24;

/**
 * Puts an XMP packet at the end of a complete MP4 file. No other byte changes, so that the places
 * that its index names stay where they are.
 * @throws LatentSyncError `disk_full` or `io`.
 */
export async function appendXmp(path: string, packet: string): Promise<void> {
  const content = Buffer.from(packet, "utf8");
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(HEADER_BYTES + content.length, 0);
  header.write("uuid", 4, "latin1");
  XMP_BOX.copy(header, 8);
  try {
    await using file = await open(path, "a");
    await file.appendFile(Buffer.concat([header, content]));
  } catch (error) {
    throw fileError(error, `Cannot write to ${path}`);
  }
}
