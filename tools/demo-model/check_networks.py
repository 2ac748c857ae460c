"""Checks networks.py against the official pipeline: `python check_networks.py REFERENCE`.

REFERENCE holds a checkpoint in the official layout, and what the official code computes from it.
"""

import sys
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from networks import SpeechEncoder, UNet

TOLERANCE = 1e-4


def check(name: str, made: torch.Tensor, expected: torch.Tensor) -> None:
    error = float((made - expected).abs().max())
    print(f"{name}: largest difference {error:.2e}")
    if error > TOLERANCE:
        raise SystemExit(f"{name} differs by more than {TOLERANCE}.")


def check_unet(reference: Path) -> None:
    config = yaml.safe_load((reference / "model" / "unet_config.yaml").read_text())
    unet = UNet(config["model"])
    checkpoint = torch.load(reference / "model" / "latentsync_unet.pt", weights_only=True)
    unet.load_state_dict(checkpoint["state_dict"])
    for name in ("unet_f16", "unet_f5"):
        golden = load_file(reference / f"{name}.safetensors")
        sample = golden["sample"]
        timesteps = golden["timestep"].reshape(-1).expand(len(sample))
        check(name, unet(sample, timesteps, golden["encoder_hidden_states"]), golden["out"])


def check_encoder(reference: Path) -> None:
    checkpoint = torch.load(reference / "model" / "whisper" / "tiny.pt", weights_only=True)
    dims = checkpoint["dims"]
    encoder = SpeechEncoder(dims["n_audio_state"], dims["n_audio_head"], dims["n_audio_layer"])
    prefix = "encoder."
    state = {
        name.removeprefix(prefix): value.float()
        for name, value in checkpoint["model_state_dict"].items()
        if name.startswith(prefix)
    }
    encoder.load_state_dict(state)
    golden = load_file(reference / "audio.safetensors")
    states = golden["encoder_embeddings"]
    mel = torch.zeros(1, 80, 3000)
    mel[0, :, : golden["log_mel"].shape[1]] = golden["log_mel"]
    check("encoder", encoder(mel)[0, : len(states)], states)


if len(sys.argv) != 2:
    raise SystemExit(__doc__)
with torch.no_grad():
    check_unet(Path(sys.argv[1]))
    check_encoder(Path(sys.argv[1]))
