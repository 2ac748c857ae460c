"""Trains the demo model: `python train.py DATA OUT [STAGE...]`. A stage that stopped goes on."""

import sys
from pathlib import Path

import encode
import train_audio
import train_decoder
import train_reader
import train_unet
import train_vae
from training import prepare_torch

STAGES = {
    "audio": train_audio.main,
    "vae": train_vae.main,
    "vae-colour": train_vae.finish,
    "encode": encode.main,
    "reader": train_reader.main,
    "unet": train_unet.main,
    "unet-colour": train_unet.finish,
    "vae-decoder": train_decoder.main,
}


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    prepare_torch()
    for stage in sys.argv[3:] or list(STAGES):
        STAGES[stage](data, out)


main()
