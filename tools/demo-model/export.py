"""Writes the official checkpoint's layout in float16: `python export.py OUT MODEL`."""

import json
import sys
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from networks import UNet
from settings import FRAMES, LATENT_SCALE, RESOLUTION, STAGES, UNET, WHISPER
from train_audio import AudioStage
from train_vae import new_vae
from training import load_trained

UNET_CONFIG = {
    "data": {
        "num_frames": FRAMES,
        "resolution": RESOLUTION,
        "audio_sample_rate": 16000,
        "video_fps": 25,
        "audio_feat_length": [2, 2],
    },
    "run": {"guidance_scale": 1.5, "inference_steps": 20},
    "model": UNET,
}

SCHEDULER_CONFIG = {
    "_class_name": "DDIMScheduler",
    "_diffusers_version": "0.32.2",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "trained_betas": None,
}


def half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half().contiguous() for name, value in state.items()}


def export_unet(out: Path, model: Path) -> None:
    unet = load_trained("unet-colour", UNet(UNET), out)
    steps = STAGES["unet"]["steps"] + STAGES["unet-colour"]["steps"]
    checkpoint = {"global_step": steps, "state_dict": half(unet.state_dict())}
    torch.save(checkpoint, model / "latentsync_unet.pt")
    (model / "unet_config.yaml").write_text(yaml.safe_dump(UNET_CONFIG, sort_keys=False))


def export_vae(out: Path, model: Path) -> None:
    vae = load_trained("vae-decoder", new_vae(), out)
    config = {"_class_name": "AutoencoderKL", "_diffusers_version": "0.32.2"}
    config |= {key: value for key, value in vae.config.items() if not key.startswith("_")}
    config["scaling_factor"] = LATENT_SCALE
    (model / "vae" / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(half(vae.state_dict()), model / "vae" / "diffusion_pytorch_model.safetensors")


def export_whisper(out: Path, model: Path) -> None:
    encoder = load_trained("audio", AudioStage(), out).encoder
    width, heads, layers = WHISPER["width"], WHISPER["heads"], WHISPER["layers"]
    dims = {
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": width,
        "n_audio_head": heads,
        "n_audio_layer": layers,
    }
    # No decoder: the pipeline does not use it.
    dims |= {
        "n_vocab": 0,
        "n_text_ctx": 0,
        "n_text_state": width,
        "n_text_head": heads,
        "n_text_layer": 0,
    }
    state = {f"encoder.{name}": value for name, value in half(encoder.state_dict()).items()}
    torch.save({"dims": dims, "model_state_dict": state}, model / "whisper" / "tiny.pt")


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    out, model = Path(sys.argv[1]), Path(sys.argv[2])
    for folder in ("vae", "whisper"):
        (model / folder).mkdir(parents=True, exist_ok=True)
    export_unet(out, model)
    export_vae(out, model)
    export_whisper(out, model)
    (model / "scheduler_config.json").write_text(json.dumps(SCHEDULER_CONFIG, indent=2) + "\n")


if __name__ == "__main__":
    main()
