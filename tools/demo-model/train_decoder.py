"""Stage 5: the VAE's decoder once more, on the latents of whole faces alone.

The encoder, and so what the UNet learned, stays as it is; lips and teeth become sharper.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encode import load_vae
from settings import LATENT_SCALE, RESOLUTION, STAGES
from train_vae import MOUTH_COLUMNS, MOUTH_ROWS, colour_loss, picture_loss, to_pixels
from training import load_shards, train

MOUTH_WEIGHT = 6.0
NOISE = 0.05
"""Deviation, in units of the latents: what a denoiser hands over is never exact."""


def main(folder: Path, out: Path) -> None:
    pictures = load_shards(folder / "faces", "pictures")
    latents = [np.load(path, mmap_mode="r") for path in sorted((out / "latents").glob("*.npy"))]
    vae = load_vae(out).train()
    for module in (vae.decoder, vae.post_quant_conv):
        module.requires_grad_(True)
    weight = torch.ones(RESOLUTION, RESOLUTION)
    weight[MOUTH_ROWS, MOUTH_COLUMNS] = MOUTH_WEIGHT

    def loss(step: int, random: np.random.Generator) -> dict[str, Tensor]:
        faces, codes = [], []
        for shard in random.choice(len(pictures), STAGES["vae-decoder"]["batch"]):
            at = tuple(int(random.integers(size)) for size in pictures[shard].shape[:3])
            faces.append(pictures[shard][at])
            codes.append(latents[shard][0][at].astype(np.float32))
        pixels = to_pixels(np.stack(faces))
        code = torch.from_numpy(np.stack(codes))
        code = (code + NOISE * torch.randn_like(code)) / LATENT_SCALE
        with torch.autocast("cpu", dtype=torch.bfloat16):
            code = code.contiguous(memory_format=torch.channels_last)
            made = vae.decoder(vae.post_quant_conv(code)).float()
        picture = picture_loss(made, pixels, weight)
        error = (made.detach() - pixels).square().mean()
        terms = {"loss": picture + 2 * colour_loss(made, pixels), "picture": picture}
        return terms | {"psnr": 10 * torch.log10(4 / error)}

    train("vae-decoder", vae, loss, out)
