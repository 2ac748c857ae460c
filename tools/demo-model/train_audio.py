"""Stage 1: the audio encoder.

It learns what the UNet needs of it: one cross-attention with learned queries, over the very tokens
that the UNet will get for a video frame, has to tell the articulation of that frame. Beside it each
state tells the articulation at its own instant from the last hidden state.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from networks import SpeechEncoder
from settings import STAGES, WHISPER
from training import correlation, load_shards, report, train

STATES = 1500
PIECE_STATES = 400
"""Most steps run pieces of 8 s at any place of the window, which costs a quarter per state."""
WHOLE_SHARE = 0.08
"""The last steps run whole windows, as the product does."""
EDGE = 10
HELD_WINDOWS = 12
WINDOW = range(-4, 6)
"""States around the centre of a video frame, as the pipeline takes them."""
READ_FRAMES = 64
"""Video frames of a window that are read in a step."""


def frame_tokens(states: Tensor, frames: Tensor, length: int) -> Tensor:
    """`states [1500, layers+1, width]` to `[len(frames), 50, width]`, clamped to the ends."""
    at = (frames[:, None] * 2 + torch.tensor(list(WINDOW))).clamp(0, length - 1)
    return states[at].flatten(1, 2)


class Readout(nn.Module):
    """A cross-attention as the UNet has it, with queries that do not depend on anything."""

    def __init__(self, width: int, heads: int = 8, queries: int = 4):
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(queries, heads, width // heads) * 0.5)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.net = nn.Sequential(nn.Linear(queries * width, 128), nn.GELU(), nn.Linear(128, 4))

    def forward(self, tokens: Tensor) -> Tensor:
        k = self.to_k(tokens).unflatten(-1, (self.heads, -1))
        v = self.to_v(tokens).unflatten(-1, (self.heads, -1))
        scores = torch.einsum("qhd,bthd->bqht", self.queries, k) * k.shape[-1] ** -0.5
        return self.net(torch.einsum("bqht,bthd->bqhd", scores.softmax(-1), v).flatten(1))


class AudioStage(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = SpeechEncoder(**WHISPER)
        self.readout = Readout(WHISPER["width"])
        self.instant = nn.Linear(WHISPER["width"], 4)


class Speech:
    """Windows of generated speech."""

    def __init__(self, folder: Path):
        self.mel = load_shards(folder / "speech", "mel")
        self.articulation = load_shards(folder / "speech", "articulation")
        self.lengths = np.concatenate(load_shards(folder / "speech", "lengths"))
        self.per_shard = len(self.mel[0])

    def window(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        shard, at = divmod(index, self.per_shard)
        return self.mel[shard][at], self.articulation[shard][at], int(self.lengths[index])


def augment(mel: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A microphone's own tone: a smooth gain over the bands; and sometimes a softer recording."""
    bands = np.linspace(0, 1, mel.shape[0])
    tone = sum(random.normal(0, 0.06) * np.cos(np.pi * order * bands) for order in range(4))
    return mel + tone[:, None].astype(np.float32) * (mel != 0)


class Reading:
    """What the stage tells of some windows, and what is true."""

    def __init__(
        self,
        stage: AudioStage,
        speech: Speech,
        windows: list[int],
        first: int,
        size: int,
        random: np.random.Generator | None,
    ):
        loaded = [speech.window(window) for window in windows]
        mels = [mel if random is None else augment(mel, random) for mel, _, _ in loaded]
        mel = torch.from_numpy(np.stack(mels)[:, :, 2 * first : 2 * (first + size)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = stage.encoder(mel, first).float()
        errors, tokens, truths = [], [], []
        for state, (_, articulation, length) in zip(states, loaded, strict=True):
            truth = torch.from_numpy(articulation[first : min(length, first + size)].copy())
            if len(truth) == 0:
                continue
            errors.append(F.mse_loss(stage.instant(state[: len(truth), -1]), truth))
            # Away from where a piece was cut out.
            begin = 0 if first == 0 else EDGE
            end = len(truth) if first + len(truth) == length else len(truth) - EDGE
            frames = torch.arange(begin // 2, max(begin, end) // 2)
            if random is not None:
                frames = frames[torch.from_numpy(random.permutation(len(frames))[:READ_FRAMES])]
            tokens.append(frame_tokens(state, frames, len(truth)))
            truths.append(truth[frames * 2])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            self.told = stage.readout(torch.cat(tokens)).float()
        self.truth = torch.cat(truths)
        self.instant = torch.stack(errors).mean()


def main(folder: Path, out: Path) -> None:
    speech, stage = Speech(folder), AudioStage()
    plan = STAGES["audio"]
    held = len(speech.lengths) - HELD_WINDOWS

    def loss(step: int, random: np.random.Generator) -> dict[str, Tensor]:
        whole = step >= plan["steps"] * (1 - WHOLE_SHARE)
        size = STATES if whole else PIECE_STATES
        batch = 2 if whole else plan["batch"]
        first = 2 * int(random.integers((STATES - size) // 2 + 1))
        long = np.flatnonzero(speech.lengths[:held] > first + 4 * EDGE)
        windows = [int(window) for window in random.choice(long, batch, replace=False)]
        reading = Reading(stage, speech, windows, first, size, random)
        error = F.mse_loss(reading.told, reading.truth)
        r = correlation(reading.told[:, 0], reading.truth[:, 0])
        return {
            "loss": error + 0.5 * reading.instant,
            "readout": error,
            "instant": reading.instant,
            "r": r,
        }

    train("audio", stage, loss, out)
    with torch.no_grad():
        reading = Reading(stage, speech, list(range(held, len(speech.lengths))), 0, STATES, None)
    report("audio", reading.told, reading.truth, out)
