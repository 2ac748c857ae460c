"""Between the stages: normalised latents of all faces, and the tokens' states of all speech.

The mean and deviation of the latents are folded into the VAE, so that the official scaling of
0.18215 gives each channel a deviation of 1.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from settings import LATENT_SCALE
from train_audio import AudioStage, Speech
from train_vae import new_vae, to_pixels
from training import load_shards, load_trained

BATCH = 64
MEASURED_SHARDS = 8


def encode(vae: AutoencoderKL, pixels: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return vae.quant_conv(vae.encoder(pixels)).float().chunk(2, dim=1)[0]


def normalise(vae: AutoencoderKL, mean: Tensor, deviation: Tensor) -> None:
    gain = 1 / (deviation * LATENT_SCALE)
    channels = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:channels] *= gain[:, None, None, None]
    quant.bias[:channels] = (quant.bias[:channels] - mean) * gain
    quant.bias[channels:] += 2 * gain.log()
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight /= gain[None, :, None, None]


def load_vae(out: Path) -> AutoencoderKL:
    vae = new_vae().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    vae.load_state_dict(torch.load(out / "vae-normalised.pt", weights_only=True))
    return vae


def normalised_vae(shards: list[np.ndarray], out: Path) -> AutoencoderKL:
    if not (out / "vae-normalised.pt").exists():
        vae = load_trained("vae-colour", new_vae(), out).to(memory_format=torch.channels_last)
        measured = [
            encode(vae, to_pixels(shard[:, 0, ::4].reshape(-1, *shard.shape[3:])))
            for shard in shards[:MEASURED_SHARDS]
        ]
        latents = torch.cat(measured)
        with torch.no_grad():
            normalise(vae, latents.mean((0, 2, 3)), latents.std((0, 2, 3)))
        torch.save(vae.state_dict(), out / "vae-normalised.pt")
    return load_vae(out)


def encode_faces(folder: Path, out: Path) -> None:
    shards = load_shards(folder / "faces", "pictures")
    mask = torch.from_numpy(np.load(folder / "mask.npy"))
    vae = normalised_vae(shards, out)
    for index, shard in enumerate(shards):
        path = out / "latents" / f"{index:04}.npy"
        if path.exists():
            continue
        people, mouths, frames = shard.shape[:3]
        # What the mask leaves is the same for both mouths.
        kinds = [(shard, None), (shard[:, :1], mask)]
        both = []
        for pictures, kept in kinds:
            pixels = to_pixels(pictures.reshape(-1, *shard.shape[3:]))
            pixels = pixels if kept is None else pixels * kept
            latents = torch.cat([encode(vae, batch) for batch in pixels.split(BATCH)])
            latents = latents.unflatten(0, (people, -1, frames)) * LATENT_SCALE
            both.append(latents.expand(people, mouths, *latents.shape[2:]))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, torch.stack(both).numpy().astype(np.float16))
        part.rename(path)
        print(f"latents {index + 1} of {len(shards)}", flush=True)


def encode_speech(folder: Path, out: Path) -> None:
    path = out / "states.npy"
    if path.exists():
        return
    speech = Speech(folder)
    stage = load_trained("audio", AudioStage(), out)
    part = path.with_suffix(".part")
    states = None
    for index in range(len(speech.lengths)):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            window = stage.encoder(torch.from_numpy(speech.window(index)[0][None].copy()))[0]
        if states is None:
            shape = (len(speech.lengths), *window.shape)
            states = np.lib.format.open_memmap(part, "w+", np.float16, shape)
        states[index] = window.float().numpy()
    states.flush()
    part.rename(path)


def main(folder: Path, out: Path) -> None:
    (out / "latents").mkdir(exist_ok=True)
    encode_speech(folder, out)
    encode_faces(folder, out)
