/** All samples of a sound at once, for sounds that are short. */
export async function samplesOf(blocks: AsyncIterable<Float32Array>): Promise<Float32Array> {
  const parts = await Array.fromAsync(blocks);
  const samples = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    samples.set(part, offset);
    offset += part.length;
  }
  return samples;
}
