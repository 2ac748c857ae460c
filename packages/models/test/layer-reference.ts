/** Layers written out plainly, in double precision: what the graphs' layers are checked against. */

/** `[images, channels, height, width]` */
export interface Images {
  readonly dims: readonly [number, number, number, number];
  readonly data: ArrayLike<number>;
}

export function convolve(
  { dims: [images, inChannels, height, width], data }: Images,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  options: { outChannels: number; kernel: number; stride: number; pads: readonly number[] },
): Images {
  const { outChannels, kernel, stride } = options;
  const [top = 0, left = 0, bottom = 0, right = 0] = options.pads;
  const outHeight = Math.floor((height + top + bottom - kernel) / stride) + 1;
  const outWidth = Math.floor((width + left + right - kernel) / stride) + 1;
  const result: number[] = [];
  for (let image = 0; image < images; image++)
    for (let out = 0; out < outChannels; out++)
      for (let y = 0; y < outHeight; y++)
        for (let x = 0; x < outWidth; x++) {
          let sum = bias[out]!;
          for (let channel = 0; channel < inChannels; channel++)
            for (let ky = 0; ky < kernel; ky++)
              for (let kx = 0; kx < kernel; kx++) {
                const row = y * stride + ky - top;
                const column = x * stride + kx - left;
                if (row < 0 || column < 0 || row >= height || column >= width) continue;
                sum +=
                  data[((image * inChannels + channel) * height + row) * width + column]! *
                  weight[((out * inChannels + channel) * kernel + ky) * kernel + kx]!;
              }
          result.push(sum);
        }
  return { dims: [images, outChannels, outHeight, outWidth], data: result };
}

/** Every run of `frames` images has one mean and variance per group; 1 is the usual group norm. */
export function groupNorm(
  { dims, data }: Images,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  options: { groups: number; epsilon: number; frames: number; silu: boolean },
): Images {
  const [images, channels, height, width] = dims;
  const { groups, epsilon, frames, silu } = options;
  const size = height * width;
  const result = new Float64Array(data.length);
  for (let video = 0; video < images / frames; video++)
    for (let group = 0; group < groups; group++) {
      const indices: number[] = [];
      for (let frame = 0; frame < frames; frame++)
        for (let channel = 0; channel < channels / groups; channel++) {
          const plane = (video * frames + frame) * channels + group * (channels / groups) + channel;
          for (let pixel = 0; pixel < size; pixel++) indices.push(plane * size + pixel);
        }
      const mean = indices.reduce((sum, index) => sum + data[index]!, 0) / indices.length;
      const variance =
        indices.reduce((sum, index) => sum + (data[index]! - mean) ** 2, 0) / indices.length;
      for (const index of indices) {
        const channel = Math.floor(index / size) % channels;
        const normal = (data[index]! - mean) / Math.sqrt(variance + epsilon);
        const affine = normal * weight[channel]! + bias[channel]!;
        result[index] = silu ? affine / (1 + Math.exp(-affine)) : affine;
      }
    }
  return { dims, data: result };
}

/** `softmax(q k^T / sqrt(d)) v` of `[sequences, tokens, heads * d]`. */
export function attention(
  query: ArrayLike<number>,
  key: ArrayLike<number>,
  value: ArrayLike<number>,
  shape: { sequences: number; queries: number; keys: number; heads: number; headWidth: number },
): Float64Array {
  const { sequences, queries, keys, heads, headWidth } = shape;
  const width = heads * headWidth;
  const result = new Float64Array(sequences * queries * width);
  for (let sequence = 0; sequence < sequences; sequence++)
    for (let head = 0; head < heads; head++)
      for (let q = 0; q < queries; q++) {
        const from = (sequence * queries + q) * width + head * headWidth;
        const scores = Array.from({ length: keys }, (_, k) => {
          const to = (sequence * keys + k) * width + head * headWidth;
          let dot = 0;
          for (let i = 0; i < headWidth; i++) dot += query[from + i]! * key[to + i]!;
          return Math.exp(dot / Math.sqrt(headWidth));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        for (let k = 0; k < keys; k++) {
          const to = (sequence * keys + k) * width + head * headWidth;
          for (let i = 0; i < headWidth; i++)
            result[from + i]! += (scores[k]! / total) * value[to + i]!;
        }
      }
  return result;
}

/** `x W^T + b` of rows. */
export function linear(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  inWidth: number,
): Float64Array {
  const rows = x.length / inWidth;
  const outWidth = weight.length / inWidth;
  const result = new Float64Array(rows * outWidth);
  for (let row = 0; row < rows; row++)
    for (let out = 0; out < outWidth; out++) {
      let sum = bias?.[out] ?? 0;
      for (let i = 0; i < inWidth; i++) sum += x[row * inWidth + i]! * weight[out * inWidth + i]!;
      result[row * outWidth + out] = sum;
    }
  return result;
}

/** Exact GELU; the error function by its series, good to 1e-12 for |x| up to 6. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + errorFunction(x * Math.SQRT1_2));
}

function errorFunction(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** First half times the GELU of the second, row by row. */
export function geglu(both: ArrayLike<number>, innerWidth: number): Float64Array {
  const rows = both.length / (2 * innerWidth);
  return Float64Array.from({ length: rows * innerWidth }, (_, index) => {
    const start = Math.floor(index / innerWidth) * 2 * innerWidth + (index % innerWidth);
    return both[start]! * gelu(both[start + innerWidth]!);
  });
}

export function layerNorm(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
): Float64Array {
  const width = weight.length;
  const result = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += width) {
    let mean = 0;
    for (let i = 0; i < width; i++) mean += x[start + i]! / width;
    let variance = 0;
    for (let i = 0; i < width; i++) variance += (x[start + i]! - mean) ** 2 / width;
    for (let i = 0; i < width; i++)
      result[start + i] =
        ((x[start + i]! - mean) / Math.sqrt(variance + 1e-5)) * weight[i]! + bias[i]!;
  }
  return result;
}
