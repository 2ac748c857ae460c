import { readFile, writeFile } from "node:fs/promises";
import { FF_ENCODER_LIBX264 } from "node-av/constants";
import { expect, it } from "vitest";
import { appendXmp } from "../src/ffmpeg/xmp-box.ts";
import { decode, latentSyncError, useFolder, writeVideo } from "./ffmpeg-fixtures.ts";

const file = useFolder();
const PACKET = '<?xpacket begin="\u{feff}"?><x:xmpmeta xmlns:x="adobe:ns:meta/">é</x:xmpmeta>';

it("puts an XMP packet behind an MP4, which plays as before", async () => {
  const path = await writeVideo({
    path: file("video.mp4"),
    encoder: FF_ENCODER_LIBX264,
    format: "yuv420p",
    width: 64,
    height: 48,
    frameCount: 6,
  });
  const before = await readFile(path);
  const frames = await decode(path);
  await appendXmp(path, PACKET);
  const after = await readFile(path);
  expect(after.subarray(0, before.length).equals(before)).toBe(true);
  expect(await decode(path)).toEqual(frames);
  const added = after.subarray(before.length);
  expect(added.readUInt32BE(0)).toBe(added.length);
  expect(added.toString("latin1", 4, 8)).toBe("uuid");
  expect(added.toString("utf8", 24)).toBe(PACKET);
});

it("says where it cannot write", async () => {
  await writeFile(file("text"), "");
  const error = await latentSyncError(appendXmp(file("text/o.mp4"), PACKET));
  expect(error.code).toBe("not_found");
});
