"""Draws the curves of a training: `python plot.py OUT CURVES.svg`."""

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

Panel = tuple[str, list[str], list[str], str]

PANELS: list[Panel] = [
    ("audio encoder: correlation of the opening", ["audio"], ["r"], "linear"),
    ("audio encoder: mean squared error", ["audio"], ["readout", "instant"], "log"),
    ("VAE: PSNR in dB", ["vae", "vae-colour", "vae-decoder"], ["psnr"], "linear"),
    ("lip reader: correlation of the opening", ["reader"], ["r"], "linear"),
    ("UNet: losses", ["unet", "unet-colour"], ["noise", "temporal", "sync"], "log"),
    ("UNet: correlation on people held out", ["unet-validation"], ["r_new", "r_old"], "linear"),
]


def read(out: Path, stages: list[str]) -> list[dict[str, float]]:
    """The rows of stages that follow each other, their steps counted through."""
    rows: list[dict[str, float]] = []
    for stage in stages:
        first = rows[-1]["step"] if rows else 0.0
        with (out / f"{stage}.csv").open() as file:
            for row in csv.DictReader(file):
                values = {name: float(value) for name, value in row.items()}
                rows.append(values | {"step": first + values["step"]})
    return rows


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    out, path = Path(sys.argv[1]), Path(sys.argv[2])
    matplotlib.rcParams["svg.hashsalt"] = "latentsync-demo"
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), constrained_layout=True)
    for axis, (title, stages, columns, scale) in zip(axes.flat, PANELS, strict=True):
        rows = read(out, stages)
        steps = [row["step"] for row in rows]
        for column in columns:
            axis.plot(steps, [row[column] for row in rows], label=column, linewidth=1.2)
        axis.set(title=title, xlabel="step", yscale=scale)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, metadata={"Date": None})


main()
