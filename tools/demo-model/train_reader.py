"""Stage 3: a lip reader, which tells the articulation from the latents of a face.

It is the sync expert of the UNet's training, in the place of LatentSync's SyncNet: the generated
data have a known articulation, so that a regression can take the place of a contrast. The product
does not use it.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from settings import STAGES
from training import correlation, load_shards, report, train

HELD_SHARDS = 2
"""Of people; kept for validation in this stage and the next."""


class LipReader(nn.Module):
    """`latents [N,4,16,16]` to articulation `[N,4]`."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((4, 64, 1), (64, 64, 2), (64, 128, 1), (128, 128, 2)):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, 1),
                nn.GroupNorm(8, outputs),
                nn.SiLU(),
            ]
        self.net = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(128 * 16, 128), nn.SiLU(), nn.Linear(128, 4)
        )

    def forward(self, latents: Tensor) -> Tensor:
        return self.net(latents)


class Faces:
    """Latents `[kind, person, mouth, frame, 4, 16, 16]` (kind 0 whole, 1 masked) in memory."""

    def __init__(self, folder: Path, out: Path):
        paths = sorted((out / "latents").glob("*.npy"))
        self.latents = np.concatenate([np.load(path) for path in paths], axis=1)
        self.articulation = np.concatenate(load_shards(folder / "faces", "articulation"))
        self.places = np.concatenate(load_shards(folder / "faces", "places"))
        people = len(self.places)
        self.training = people - HELD_SHARDS * (people // len(paths))


def main(folder: Path, out: Path) -> None:
    faces, reader = Faces(folder, out), LipReader()

    def loss(step: int, random: np.random.Generator) -> dict[str, Tensor]:
        shape = faces.articulation.shape[1:3]
        size = STAGES["reader"]["batch"]
        at = (
            random.integers(faces.training, size=size),
            *(random.integers(n, size=size) for n in shape),
        )
        latents = torch.from_numpy(faces.latents[0][at].astype(np.float32))
        # What a denoiser hands over is never clean.
        latents = latents + torch.rand(size, 1, 1, 1) * 0.5 * torch.randn_like(latents)
        truth = torch.from_numpy(faces.articulation[at])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            told = reader(latents).float()
        error = F.mse_loss(told, truth)
        return {"loss": error, "r": correlation(told[:, 0], truth[:, 0])}

    train("reader", reader, loss, out)
    with torch.no_grad():
        held = torch.from_numpy(faces.latents[0][faces.training :].astype(np.float32)).flatten(0, 2)
        truth = torch.from_numpy(faces.articulation[faces.training :]).flatten(0, 2)
        told = reader(held)
    report("reader", told, truth, out)
