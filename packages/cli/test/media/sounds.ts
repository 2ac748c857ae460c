/** Small sounds for tests. */
import { writeWav } from "@ls/audio";

const SAMPLE_RATE_HZ = 16_000;

/** A tone of 16 kHz, mono. @returns `path`. */
export async function writeTone(path: string, seconds: number): Promise<string> {
  const count = Math.round(seconds * SAMPLE_RATE_HZ);
  const samples = Float32Array.from({ length: count }, (_, at) => 0.3 * Math.sin(at / 12));
  await writeWav(path, samples, SAMPLE_RATE_HZ);
  return path;
}
