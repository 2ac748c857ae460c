/** Tells published checkpoints apart by their tensors. */
import type { TensorEntry } from "./tensor-source.ts";

type Entries = ReadonlyMap<string, Pick<TensorEntry, "shape">>;

function has(entries: Entries, pattern: RegExp): boolean {
  for (const name of entries.keys()) if (pattern.test(name)) return true;
  return false;
}

function inputChannels(entries: Entries): number | undefined {
  return entries.get("conv_in.weight")?.shape[1];
}

/** Width of the audio tokens that cross-attention reads. */
function crossAttentionWidth(entries: Entries): number | undefined {
  for (const [name, { shape }] of entries) {
    if (/\.(attn2|audio_cross_attn\.attn)\.to_k\.weight$/.test(name)) return shape[1];
  }
  return undefined;
}

function describeUNet(entries: Entries): string {
  const channels = inputChannels(entries);
  const width = crossAttentionWidth(entries);
  const base = entries.get("conv_in.weight")?.shape[0];
  const whisper = width === 768 ? " made for Whisper small" : "";
  const small = base === 320 ? "" : ` of a width of its own (${base ?? "unknown"} channels)`;
  if (has(entries, /\.audio_cross_attn\./)) return "LatentSync 1.0, which is not supported";
  if (channels === 4 && width === 768) return "Stable Diffusion 1.5, not LatentSync";
  if (channels === 9) return "Stable Diffusion 1.5 for inpainting, not LatentSync";
  if (has(entries, /^down_blocks\..*\.motion_modules\./)) {
    return `LatentSync 1.5 or 1.6 (stage2.yaml or stage2_512.yaml)${small}${whisper}`;
  }
  if (has(entries, /\.motion_modules\./)) {
    return `LatentSync with motion modules in the decoder only (stage2_efficient.yaml)${small}${whisper}`;
  }
  return `LatentSync without motion modules (stage1.yaml)${small}${whisper}`;
}

/**
 * Which published checkpoint a table of tensors looks like, in words; undefined if like none.
 * @param entries tensors by name, without a prefix such as `state_dict.`.
 */
export function describeCheckpoint(entries: Entries): string | undefined {
  if (entries.has("conv_in.weight") && entries.has("time_embedding.linear_1.weight")) {
    return describeUNet(entries);
  }
  const position = entries.get("encoder.positional_embedding")?.shape;
  if (position !== undefined) {
    const size = position[1] === 384 ? " tiny" : position[1] === 768 ? " small" : "";
    return `Whisper${size} (${position[1] ?? "unknown"} wide)`;
  }
  if (entries.has("encoder.conv_in.weight") && entries.has("decoder.conv_out.weight")) {
    return "a VAE (AutoencoderKL)";
  }
  if (has(entries, /^(model\.diffusion_model|first_stage_model)\./)) {
    return "a Stable Diffusion checkpoint in its original layout";
  }
  if (has(entries, /^(audio_encoder|visual_encoder)\./)) return "LatentSync's SyncNet";
  return undefined;
}
