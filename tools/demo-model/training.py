"""What all stages share: data in memory maps, a restartable loop, and curves on disk."""

import csv
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from settings import SEED, STAGES, THREADS

SAVE_SECONDS = 60
WARM_UP_STEPS = 100
EMA_DECAY = 0.998


def load_shards(folder: Path, name: str) -> list[np.ndarray]:
    """The memory-mapped `*.name.npy` of a folder, in order."""
    paths = sorted(folder.glob(f"*.{name}.npy"))
    if not paths:
        raise SystemExit(f"No *.{name}.npy in {folder}: run generate.ts first.")
    return [np.load(path, mmap_mode="r") for path in paths]


def rate_at(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def random_of(stage: str, step: int) -> np.random.Generator:
    """Numbers of one step: a restart draws what an unbroken run would have drawn."""
    return np.random.default_rng([SEED, STAGES[stage]["stream"], step])


class Average:
    """Exponential moving average of a network's parameters: what is exported."""

    def __init__(self, network: nn.Module):
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, step: int) -> None:
        decay = min(EMA_DECAY, (step + 1) / (step + 10))
        state = network.state_dict()
        torch._foreach_lerp_(
            list(self.values.values()), [state[name] for name in self.values], 1 - decay
        )


def atomically_save(value: object, path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(value, part)
    os.replace(part, path)


Loss = Callable[[int, np.random.Generator], dict[str, Tensor]]


def train(stage: str, network: nn.Module, loss: Loss, folder: Path) -> None:
    """Runs a stage's steps; `loss` returns named terms, of which `loss` is minimised.

    State goes to `stage.pt` every minute and at the end; a second call goes on from there. Terms
    go to `stage.csv`, averaged over 25 steps.
    """
    plan = STAGES[stage]
    parameters = [value for value in network.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan["rate"], betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    average = Average(network)
    state_path, curve_path = folder / f"{stage}.pt", folder / f"{stage}.csv"
    first = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        first = state["step"]
    rows = read_curve(curve_path, first)
    saved, began, sums, count = time.monotonic(), time.monotonic(), {}, 0
    for step in range(first, plan["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, plan["steps"], plan["rate"])
        random = random_of(stage, step)
        torch.manual_seed(int(random.integers(2**31)))
        terms = loss(step, random)
        optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(network, step)
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        count += 1
        if count == 25:
            rows.append(
                {"step": step + 1, **{name: f"{total / count:.5f}" for name, total in sums.items()}}
            )
            pace = (time.monotonic() - began) / (step + 1 - first)
            print(stage, rows[-1], f"{pace:.2f} s/step", flush=True)
            sums, count = {}, 0
        if step + 1 == plan["steps"] or (count == 0 and time.monotonic() - saved > SAVE_SECONDS):
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
            atomically_save({**state, "average": average.values, "step": step + 1}, state_path)
            write_curve(curve_path, rows)
            saved = time.monotonic()
    network.load_state_dict(average.values)


def read_curve(path: Path, before: int) -> list[dict]:
    if not path.exists():
        return []
    with path.open() as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= before]


def write_curve(path: Path, rows: list[dict]) -> None:
    if not rows:
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def load_trained(stage: str, network: nn.Module, folder: Path) -> nn.Module:
    """The averaged weights of a finished stage, frozen."""
    state = torch.load(folder / f"{stage}.pt", weights_only=True)
    if state["step"] < STAGES[stage]["steps"]:
        raise SystemExit(
            f"Stage {stage} has done {state['step']} of {STAGES[stage]['steps']} steps."
        )
    network.load_state_dict(state["average"])
    return network.eval().requires_grad_(False)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's, over all values."""
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-9)


def report(stage: str, told: Tensor, truth: Tensor, folder: Path) -> None:
    """Writes how well a stage tells the articulation `[N,4]` of data that it was not trained on."""
    names = ["opening", "spread", "teeth", "tongue"]
    figures = {
        name: round(float(correlation(told[:, i], truth[:, i])), 4) for i, name in enumerate(names)
    }
    print(stage, "held out:", figures, flush=True)
    (folder / f"{stage}.json").write_text(json.dumps(figures) + "\n")


def prepare_torch() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(SEED)
