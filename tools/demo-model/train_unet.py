"""Stage 4: the UNet.

As LatentSync trains it: the noise of all frames is part shared, the audio is left out of a tenth of
the clips for classifier-free guidance, and noise loss, sync loss and temporal consistency are
summed. The reference is the same frame with another mouth, as it is when the model is used.
"""

import csv
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from networks import UNet
from settings import FRAMES, STAGES, UNET
from train_audio import AudioStage, frame_tokens
from train_reader import Faces, LipReader
from training import correlation, load_shards, load_trained, train

LATENT = 16
AUDIO_DROPOUT = 0.1
SHARED_NOISE = 0.5
"""At most this part of the noise's variance is shared by the frames of a clip."""
SHORT_CLIPS = 0.25
"""Share of steps with fewer than 16 frames, as a video's last chunk has."""
KEEP_WEIGHT = 0.2
"""Of latents that the pipeline overwrites with the source's pixels."""
TEMPORAL_WEIGHT = 0.5
SYNC_WEIGHT = 0.5
WEIGHT_CAP = 25.0
COARSE_NOISE = 0.7
"""Deviation, at most, of the noise without detail in the second run."""
VALIDATION_STEPS = 500


def alphas_cumprod() -> Tensor:
    return torch.cumprod(
        1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0
    ).float()


class Clips:
    """What the UNet gets and should give for people of the generated data."""

    def __init__(self, folder: Path, out: Path):
        self.faces = Faces(folder, out)
        self.states = np.load(out / "states.npy", mmap_mode="r")
        self.lengths = np.concatenate(load_shards(folder / "speech", "lengths"))
        mask = torch.from_numpy(np.load(folder / "mask.npy"))
        # Nearest, as the pipeline samples it: the upper left pixel of every eight by eight.
        self.mask = F.interpolate(mask[None, None], (LATENT, LATENT), mode="nearest")[0, 0]

    def audio(self, person: int, mouth: int, start: int, frames: int) -> Tensor:
        window, first = (int(value) for value in self.faces.places[person, mouth])
        states = torch.from_numpy(self.states[window].astype(np.float32))
        return frame_tokens(states, first + start + torch.arange(frames), int(self.lengths[window]))

    def batch(
        self, people: list[int], mouths: list[int], start: int, frames: int
    ) -> dict[str, Tensor]:
        """Latents `[B,4,F,16,16]`, `audio [B,F,50,width]`, `truth` and `old` `[B,F,4]`."""
        span = slice(start, start + frames)

        def video(kind: int, others: bool) -> Tensor:
            chosen = [1 - mouth if others else mouth for mouth in mouths]
            values = self.faces.latents[kind][people, chosen, span].astype(np.float32)
            return torch.from_numpy(values).transpose(1, 2)

        audio = [
            self.audio(person, mouth, start, frames)
            for person, mouth in zip(people, mouths, strict=True)
        ]
        return {
            "latents": video(0, False),
            "masked": video(1, False),
            "reference": video(0, True),
            "audio": torch.stack(audio),
            "truth": torch.from_numpy(self.faces.articulation[people, mouths, span]),
            "old": torch.from_numpy(
                self.faces.articulation[people, [1 - mouth for mouth in mouths], span]
            ),
        }


def unet_input(noisy: Tensor, batch: dict[str, Tensor], mask: Tensor) -> Tensor:
    keep = mask.expand(len(noisy), 1, noisy.shape[2], LATENT, LATENT)
    return torch.cat([noisy, keep, batch["masked"], batch["reference"]], dim=1)


@torch.no_grad()
def sample(
    unet: UNet, batch: dict[str, Tensor], mask: Tensor, steps: int, guidance: float
) -> Tensor:
    """DDIM as the pipeline runs it, one noise tile for all frames."""
    alphas = alphas_cumprod()
    clips, _, frames = batch["masked"].shape[:3]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(clips, 4, 1, LATENT, LATENT, generator=generator).repeat(1, 1, frames, 1, 1)
    stride = 1000 // steps
    audio = batch["audio"].flatten(0, 1)
    for t in reversed(range(1, 1000, stride)):
        inputs = unet_input(x, batch, mask)
        times = torch.full((2 * clips,), t)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            noise = unet(
                torch.cat([inputs, inputs]), times, torch.cat([torch.zeros_like(audio), audio])
            )
        without, with_audio = noise.float().chunk(2)
        noise = without + guidance * (with_audio - without)
        now, before = alphas[t], alphas[max(t - stride, 0)]
        clean = (x - (1 - now).sqrt() * noise) / now.sqrt()
        x = before.sqrt() * clean + (1 - before).sqrt() * noise
    return x


def begin_with_readout(unet: UNet, out: Path) -> None:
    """Keys and values of the wide cross-attentions start as those that stage 1 learned."""
    readout = load_trained("audio", AudioStage(), out).readout
    for name, module in unet.named_modules():
        if name.endswith("attn2") and module.to_k.weight.shape == readout.to_k.weight.shape:
            module.to_k.load_state_dict(readout.to_k.state_dict())
            module.to_v.load_state_dict(readout.to_v.state_dict())


def coarse_noise(clips: int, strength: float) -> Tensor:
    """Noise without detail, the same for all frames: `[clips,4,1,16,16]`.

    Sampling starts from noise that holds nothing of the picture. A model that has only seen noise
    with a little of the picture in it takes the noise's own mean for the picture's, and colours
    come out wrong; noise whose mean wanders teaches it to take colours from the reference.
    """
    even = torch.randn(clips, 4, 1, 1)
    patches = F.interpolate(torch.randn(clips, 4, 4, 4), (LATENT, LATENT), mode="bilinear")
    return strength * torch.rand(clips, 1, 1, 1, 1) * (even + patches)[:, :, None]


def main(folder: Path, out: Path) -> None:
    unet = UNet(UNET).to(memory_format=torch.channels_last)
    begin_with_readout(unet, out)
    run("unet", unet, 0.0, folder, out)


def finish(folder: Path, out: Path) -> None:
    """A second, short run with coarse noise."""
    unet = load_trained("unet", UNet(UNET), out).requires_grad_(True).train()
    run("unet-colour", unet.to(memory_format=torch.channels_last), COARSE_NOISE, folder, out)


def run(stage: str, unet: UNet, strength: float, folder: Path, out: Path) -> None:
    clips = Clips(folder, out)
    reader = load_trained("reader", LipReader(), out)
    alphas = alphas_cumprod()
    region = torch.where(clips.mask > 0.5, KEEP_WEIGHT, 1.0)
    region = region / region.mean()
    size = STAGES[stage]["batch"]

    def loss(step: int, random: np.random.Generator) -> dict[str, Tensor]:
        if stage == "unet" and step % VALIDATION_STEPS == 0 and step > 0:
            validate(unet, clips, reader, step, out)
        frames = int(random.integers(2, FRAMES)) if random.random() < SHORT_CLIPS else FRAMES
        start = int(random.integers(FRAMES - frames + 1))
        people = [
            int(person) for person in random.choice(clips.faces.training, size, replace=False)
        ]
        batch = clips.batch(
            people, [int(mouth) for mouth in random.integers(2, size=size)], start, frames
        )
        latents = batch["latents"]
        audio = batch["audio"] * (torch.rand(size, 1, 1, 1) >= AUDIO_DROPOUT)
        timesteps = (torch.rand(size) ** 0.7 * 1000).long().clamp_max(999)
        shared = torch.rand(size, 1, 1, 1, 1) * SHARED_NOISE
        noise = shared.sqrt() * torch.randn(size, 4, 1, LATENT, LATENT) + (
            1 - shared
        ).sqrt() * torch.randn_like(latents)
        if strength > 0:
            noise = noise + coarse_noise(size, strength)
        signal = alphas[timesteps].sqrt()[:, None, None, None, None]
        spread = (1 - alphas[timesteps]).sqrt()[:, None, None, None, None]
        noisy = signal * latents + spread * noise
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = unet(unet_input(noisy, batch, clips.mask), timesteps, audio.flatten(0, 1))
        error = made - noise
        # Equal to predicting the velocity: at high noise, where the mouth is decided, it counts.
        weight = 1 + (spread / signal).square().clamp_max(WEIGHT_CAP)
        noise_loss = (weight * region * error.square()).mean()
        motion = error[:, :, 1:] - error[:, :, :-1]
        temporal = (weight * region * motion.square()).mean()
        clean = (noisy - spread * made) / signal
        with torch.autocast("cpu", dtype=torch.bfloat16):
            told = reader(clean.transpose(1, 2).flatten(0, 1).clamp(-5, 5)).float()
        heard = (audio.abs().amax((1, 2, 3)) > 0).float()[:, None, None]
        miss = (told.unflatten(0, (size, frames)) - batch["truth"]).square()
        sync = (miss * heard * signal[:, :, 0, 0]).mean()
        total = noise_loss + TEMPORAL_WEIGHT * temporal + SYNC_WEIGHT * 10 * sync
        return {"loss": total, "noise": noise_loss, "temporal": temporal, "sync": sync}

    train(stage, unet, loss, out)


@torch.no_grad()
def validate(unet: UNet, clips: Clips, reader: LipReader, step: int, out: Path) -> None:
    """What the reader tells of sampled clips of people that were not trained on."""
    people = list(range(clips.faces.training, clips.faces.training + 12))
    batch = clips.batch(people, [0] * len(people), 0, FRAMES)
    made = sample(unet, batch, clips.mask, 10, 1.5)
    told = reader(made.transpose(1, 2).flatten(0, 1)).unflatten(0, (len(people), FRAMES))[..., 0]
    new, old = batch["truth"][..., 0], batch["old"][..., 0]
    error = ((made - batch["latents"]).square() * (clips.mask < 0.5)).mean() / (
        clips.mask < 0.5
    ).float().mean()
    row = {
        "step": step,
        "r_new": f"{float(correlation(told, new)):.4f}",
        "r_old": f"{float(correlation(told, old)):.4f}",
        "latent_error": f"{float(error):.4f}",
    }
    print("validation", row, flush=True)
    path = out / "unet-validation.csv"
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
