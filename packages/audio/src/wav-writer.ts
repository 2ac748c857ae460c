import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { LatentSyncError } from "@ls/core";
import { WaveFile } from "./wave-file.ts";

function toInt16(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (sample) =>
    Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))),
  );
}

/**
 * Writes mono samples as a 16-bit WAVE file. The file appears when it is complete.
 * @param samples in [-1, 1]; values outside are clipped.
 * @throws LatentSyncError `invalid_argument`, `disk_full` or `io`.
 */
export async function writeWav(
  path: string,
  samples: Float32Array,
  sampleRateHz: number,
): Promise<void> {
  if (!Number.isInteger(sampleRateHz) || sampleRateHz < 1) {
    throw new LatentSyncError(
      "invalid_argument",
      `sampleRateHz is ${sampleRateHz}; a positive integer is expected.`,
    );
  }
  const wave = new WaveFile();
  wave.fromScratch(1, sampleRateHz, "16", toInt16(samples));
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(temporary, wave.toBuffer());
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    const full = (cause as NodeJS.ErrnoException).code === "ENOSPC";
    throw new LatentSyncError(
      full ? "disk_full" : "io",
      `Cannot write ${path}: ${(cause as Error).message}.`,
      { cause, hint: full ? "Free some space." : "Check that its folder exists and is writable." },
    );
  }
}
