"""Stage 2: the VAE, on aligned faces and on faces whose masked region is blank."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from group_norm import use_fast_group_norm
from settings import RESOLUTION, STAGES, VAE
from training import load_shards, load_trained, train

MOUTH_ROWS = slice(74, 118)
MOUTH_COLUMNS = slice(36, 92)
"""Where lips and teeth are in the square: they count three times."""
MASKED_SHARE = 0.3
COLOUR_WEIGHT = 4.0


def new_vae() -> AutoencoderKL:
    levels = len(VAE["block_out_channels"])
    vae = AutoencoderKL(
        **VAE,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        sample_size=RESOLUTION,
    )
    use_fast_group_norm(vae)
    return vae


def to_pixels(pictures: np.ndarray) -> Tensor:
    """uint8 `[N,H,W,3]` to `[N,3,H,W]` in [-1,1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def picture_loss(made: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """L1 of the pixels, and of the edges at three scales, which keeps lips and teeth sharp."""
    loss = ((made - truth).abs() * weight).mean()
    for _ in range(3):
        for a, b in zip(edges(made), edges(truth), strict=True):
            loss = loss + 0.5 * (a - b).abs().mean()
        made, truth = F.avg_pool2d(made, 2), F.avg_pool2d(truth, 2)
    return loss


def colour_loss(made: Tensor, truth: Tensor) -> Tensor:
    """L1 of averages over 4x4 and 8x8 pixels: the last thing that the first stage learns."""
    return sum(
        (F.avg_pool2d(made, size) - F.avg_pool2d(truth, size)).abs().mean() for size in (4, 8)
    )


def main(folder: Path, out: Path) -> None:
    vae = new_vae().to(memory_format=torch.channels_last)
    run("vae", vae, 0.0, folder, out)


def finish(folder: Path, out: Path) -> None:
    """A second run with a fresh rate, in which colours count."""
    vae = load_trained("vae", new_vae(), out).requires_grad_(True).train()
    run("vae-colour", vae.to(memory_format=torch.channels_last), COLOUR_WEIGHT, folder, out)


def run(stage: str, vae: AutoencoderKL, colour_weight: float, folder: Path, out: Path) -> None:
    shards = load_shards(folder / "faces", "pictures")
    mask = torch.from_numpy(np.load(folder / "mask.npy"))
    weight = torch.ones(RESOLUTION, RESOLUTION)
    weight[MOUTH_ROWS, MOUTH_COLUMNS] = 3

    def loss(step: int, random: np.random.Generator) -> dict[str, Tensor]:
        frames = []
        for shard in random.choice(len(shards), STAGES[stage]["batch"]):
            at = tuple(int(random.integers(size)) for size in shards[shard].shape[:3])
            frame = shards[shard][at]
            frames.append(frame[:, ::-1] if random.random() < 0.5 else frame)
        pixels = to_pixels(np.stack(frames))
        masked = torch.from_numpy(random.random(len(pixels)) < MASKED_SHARE)[:, None, None, None]
        pixels = torch.where(masked, pixels * mask, pixels).contiguous(
            memory_format=torch.channels_last
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            moments = vae.quant_conv(vae.encoder(pixels)).float()
            mean, log_variance = moments.chunk(2, dim=1)
            log_variance = log_variance.clamp(-20, 10)
            latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            made = vae.decoder(vae.post_quant_conv(latents)).float()
        picture = picture_loss(made, pixels, weight)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        error = (made.detach() - pixels).square().mean()
        psnr = 10 * torch.log10(4 / error)
        total = picture + colour_weight * colour_loss(made, pixels) + 2e-4 * divergence
        terms = {"loss": total, "picture": picture}
        return terms | {"divergence": divergence, "psnr": psnr}

    train(stage, vae, loss, out)
