"""The official repository's networks, loaded as its inference script loads them, on the CPU.

Differences from that script, none of which bears on a forward's time: weights are in memory once
while they are loaded, not twice, and the VAE comes from the model's own folder.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from omegaconf import OmegaConf

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class OfficialNetworks:
    """Opened when they are first asked for."""

    def __init__(self, checkout: str, model: dict[str, str], dtype: str) -> None:
        sys.path.insert(0, checkout)
        self.checkout = Path(checkout)
        self.model = model
        self.dtype = DTYPES[dtype]
        self._unet: Any = None
        self._vae: Any = None
        # What `official_pipeline.py` makes of them, once it is asked for.
        self.pipeline: Any = None

    @property
    def unet(self) -> Any:
        if self._unet is None:
            from latentsync.models.unet import UNet3DConditionModel

            config = OmegaConf.load(self.model["unetConfig"])
            with torch.device("meta"):
                unet = UNet3DConditionModel.from_config(OmegaConf.to_container(config.model))
            checkpoint = torch.load(
                self.model["unet"], map_location="cpu", weights_only=True, mmap=True
            )
            # The class's own load_state_dict cannot assign, and has nothing to leave out here.
            load = torch.nn.Module.load_state_dict
            # Copied out of the mapped file: never twice in memory, never read during a forward.
            weights = {name: value.clone() for name, value in checkpoint["state_dict"].items()}
            load(unet, weights, strict=True, assign=True)
            self._unet = unet.to(self.dtype).eval()
        return self._unet

    @property
    def vae(self) -> Any:
        if self._vae is None:
            vae = AutoencoderKL.from_pretrained(self.model["vae"], torch_dtype=self.dtype)
            vae.config.scaling_factor = 0.18215
            vae.config.shift_factor = 0
            self._vae = vae.eval()
        return self._vae

    def scheduler(self, steps: int) -> Any:
        scheduler = DDIMScheduler.from_pretrained(self.checkout / "configs")
        scheduler.set_timesteps(steps)
        return scheduler


Inputs = dict[str, torch.Tensor]


def forward_unet(networks: OfficialNetworks, inputs: Inputs, _: dict[str, Any]) -> Inputs:
    """One forward of the UNet, both branches in one batch, silence first."""
    timestep = inputs["timestep"][0].to(torch.float32)
    audio = inputs["encoder_hidden_states"]
    noise = networks.unet(inputs["sample"], timestep, encoder_hidden_states=audio).sample
    return {"noise_pred": noise}


def encode(networks: OfficialNetworks, inputs: Inputs, _: dict[str, Any]) -> Inputs:
    posterior = networks.vae.encode(inputs["image"]).latent_dist
    return {"mean": posterior.mean, "logvar": posterior.logvar}


def decode(networks: OfficialNetworks, inputs: Inputs, _: dict[str, Any]) -> Inputs:
    return {"image": networks.vae.decode(inputs["latents"]).sample}


def denoise(networks: OfficialNetworks, inputs: Inputs, settings: dict[str, Any]) -> Inputs:
    """The first `measuredSteps` of a chunk's `steps`, as the official pipeline takes them."""
    scheduler = networks.scheduler(settings["steps"])
    scale = settings["guidanceScale"]
    latents, channels, audio = inputs["latents"], inputs["channels"], inputs["audio"]
    guided = scale > 1
    if guided:
        channels = torch.cat([channels] * 2)
        audio = torch.cat([torch.zeros_like(audio), audio])
    for timestep in scheduler.timesteps[: settings["measuredSteps"]]:
        batch = torch.cat([latents] * 2) if guided else latents
        sample = torch.cat([scheduler.scale_model_input(batch, timestep), channels], dim=1)
        noise = networks.unet(sample, timestep, encoder_hidden_states=audio).sample
        if guided:
            silence, speech = noise.chunk(2)
            noise = silence + scale * (speech - silence)
        latents = scheduler.step(noise, timestep, latents, eta=0.0).prev_sample
    return {"latents": latents}


OPERATIONS = {"unet": forward_unet, "vae_encode": encode, "vae_decode": decode, "denoise": denoise}
