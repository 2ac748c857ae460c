/** Ports `Timesteps` and `TimestepEmbedding` of diffusers 0.32.2 (`models/embeddings.py`). */
import type { Value } from "../graph/graph.ts";
import type { Network } from "./network.ts";

export interface TimestepOptions {
  /** Width of the sinusoid. */
  readonly width: number;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
}

const MAX_PERIOD = 10_000;

/** The sinusoids of timesteps, `[steps]` float32 to `[steps, width]` float32. */
export function timesteps(net: Network, timestep: Value, options: TimestepOptions): Value {
  const { width, flipSinToCos, freqShift } = options;
  const half = Math.floor(width / 2);
  const step = Math.fround(-Math.log(MAX_PERIOD));
  const frequencies = Float32Array.from({ length: half }, (_, index) =>
    Math.exp(Math.fround(Math.fround(step * index) / (half - freqShift))),
  );
  const table = net.graph.constant("float32", [1, half], frequencies);
  const angles = net.mul(net.reshape(timestep, [-1, 1]), table);
  const sine = net.graph.op("Sin", [angles]);
  const cosine = net.graph.op("Cos", [angles]);
  const parts = flipSinToCos ? [cosine, sine] : [sine, cosine];
  if (width % 2 === 1)
    parts.push(net.mul(net.reshape(timestep, [-1, 1]), net.scalar(0, "float32")));
  return net.graph.op("Concat", parts, { attributes: { axis: 1 } });
}

/** The time embeddings `[steps, outWidth]` of sinusoids. */
export function timestepEmbedding(
  net: Network,
  sinusoid: Value,
  { path, inWidth, outWidth }: { path: string; inWidth: number; outWidth: number },
): Value {
  return net.module(path, () => {
    const input = net.cast(sinusoid, net.dtype);
    const hidden = net.linear(input, { path: `${path}.linear_1`, inWidth, outWidth, bias: true });
    const active = net.emit.silu(net, hidden);
    return net.linear(active, {
      path: `${path}.linear_2`,
      inWidth: outWidth,
      outWidth,
      bias: true,
    });
  });
}
