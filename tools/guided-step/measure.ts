/**
 * One step with guidance, by the plain graph with its batch doubled and by the graph that shares the
 * work of silence and speech, in turns: `node tools/guided-step/measure.ts --size 256 --frames 4`.
 * At full size both networks are in memory, 12 GB together, and the graphs take 5 GB on disk.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { elementCount, float32, type Session, type Tensor } from "@ls/core";
import { openRandomModel, type RandomModelSize } from "@ls/models";
import { createOnnxRuntime } from "@ls/runtime-onnx";

const SIZES: readonly RandomModelSize[] = ["small", "256", "512"];

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "small" },
    frames: { type: "string", default: "16" },
    rounds: { type: "string", default: "11" },
  },
});
const size = SIZES.find((name) => name === values.size);
if (size === undefined) throw new Error(`--size must be one of ${SIZES.join(", ")}.`);
const frames = Number(values.frames);
const rounds = Number(values.rounds);

/** Numbers that no kernel can shortcut. */
function ramp(...dims: number[]): Tensor<"float32"> {
  const length = elementCount(dims);
  return float32(
    dims,
    Float32Array.from({ length }, (_, index) => Math.sin(index)),
  );
}

/** Silence before the speech: the same numbers again, or zeros. */
function doubled({ dims, data }: Tensor<"float32">, first: Float32Array): Tensor<"float32"> {
  const both = new Float32Array(2 * data.length);
  both.set(first);
  both.set(data, data.length);
  return float32([2 * (dims[0] ?? 1), ...dims.slice(1)], both);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

interface Timing {
  readonly seconds: number;
  readonly processorSeconds: number;
}

async function time(session: Session, feeds: Readonly<Record<string, Tensor>>): Promise<Timing> {
  const start = performance.now();
  const usage = process.cpuUsage();
  await session.run(feeds);
  const { user, system } = process.cpuUsage(usage);
  return { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6 };
}

const cacheFolder = await mkdtemp(join(tmpdir(), "latentsync-guided-step-"));
try {
  await using model = openRandomModel({ size, cacheFolder });
  await using runtime = await createOnnxRuntime();
  const open = async (kind: "unet" | "unet_guided"): Promise<Session> =>
    runtime.createSession(await model.graph({ kind, profile: "cpu", precision: "float32" }));
  await using plain = await open("unet");
  await using guided = await open("unet_guided");
  const { resolution, vaeScaleFactor, audioTokens, crossAttentionWidth } = model.info;
  const side = resolution / vaeScaleFactor;
  const sample = ramp(1, 13, frames, side, side);
  const audio = ramp(frames, audioTokens, crossAttentionWidth);
  const timestep = float32([1], Float32Array.of(500));
  const before = {
    sample: doubled(sample, sample.data),
    timestep,
    encoder_hidden_states: doubled(audio, new Float32Array(audio.data.length)),
  };
  const after = { sample, timestep, encoder_hidden_states: audio };
  await time(plain, before);
  await time(guided, after);
  const pairs: { readonly plain: Timing; readonly guided: Timing }[] = [];
  for (let round = 0; round < rounds; round++) {
    // Each goes first in every other round.
    const first = round % 2 === 0 ? await time(plain, before) : undefined;
    const shared = await time(guided, after);
    pairs.push({ plain: first ?? (await time(plain, before)), guided: shared });
  }
  const report = (name: string, of: (timing: Timing) => number): void => {
    const ratio = median(pairs.map((pair) => of(pair.guided) / of(pair.plain)));
    const [a, b] = [pairs.map((pair) => of(pair.plain)), pairs.map((pair) => of(pair.guided))];
    process.stdout.write(
      `${name}: doubled ${median(a).toFixed(3)} s, guided ${median(b).toFixed(3)} s, ratio ${ratio.toFixed(3)}\n`,
    );
  };
  report("clock", ({ seconds }) => seconds);
  report("processor", ({ processorSeconds }) => processorSeconds);
} finally {
  await rm(cacheFolder, { recursive: true, force: true });
}
