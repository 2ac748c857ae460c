/**
 * The official script's flags (scripts/inference.py at a229c39), so that its command lines work as
 * they are. Its parser takes underscores; ours, like most, hyphens.
 */
const OFFICIAL_FLAGS: ReadonlyMap<string, string> = new Map([
  ["--video_path", "--video"],
  ["--audio_path", "--audio"],
  ["--video_out_path", "--out"],
  ["--unet_config_path", "--unet-config"],
  ["--inference_ckpt_path", "--unet-checkpoint"],
  ["--inference_steps", "--inference-steps"],
  ["--guidance_scale", "--guidance-scale"],
  ["--enable_deepcache", "--enable-deepcache"],
  ["--temp_dir", "--temp-dir"],
]);

/** Official flags, with or without `=value`, in this program's spelling; the rest as it is. */
export function translateOfficialFlags(args: readonly string[]): string[] {
  return args.map((arg) => {
    const [flag, ...value] = arg.split("=");
    const ours = OFFICIAL_FLAGS.get(flag ?? "");
    return ours === undefined ? arg : [ours, ...value].join("=");
  });
}
