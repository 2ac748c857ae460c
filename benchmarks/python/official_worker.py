"""Answers forwards of the official networks over stdin and stdout, one at a time, timed.

    python official_worker.py < requests > answers

The first request is `open`, with the checkout's path, the model's files, the threads and the dtype;
then any of `OPERATIONS`, or `pipeline`, which works in the `folder` it is given. Nothing of the official repository is part of this project: it is imported
from where the user has it.
"""

import os
import sys
import time
from typing import Any

import torch

from official_networks import OPERATIONS, Inputs, OfficialNetworks
from official_pipeline import create_pipeline, run_pipeline
from protocol import Tensors, claim_stdout, read_messages, write_message


def describe() -> dict[str, Any]:
    import diffusers

    return {
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
        },
        "threads": torch.get_num_threads(),
    }


def open_networks(request: dict[str, Any]) -> OfficialNetworks:
    if request["threads"] is not None:
        torch.set_num_threads(request["threads"])
    return OfficialNetworks(request["checkout"], request["model"], request["dtype"])


def make_video(networks: OfficialNetworks, _: Inputs, settings: dict[str, Any]) -> Inputs:
    os.chdir(settings["folder"])
    if networks.pipeline is None:
        networks.pipeline = create_pipeline(networks, settings)
    run_pipeline(networks.pipeline, networks.checkout, settings)
    return {}


def answer(
    networks: OfficialNetworks, request: dict[str, Any], tensors: Tensors
) -> tuple[dict[str, Any], Tensors]:
    inputs = {name: torch.from_numpy(value).to(networks.dtype) for name, value in tensors.items()}
    operation = {**OPERATIONS, "pipeline": make_video}[request["operation"]]
    wall, processor = time.perf_counter(), time.process_time()
    outputs = operation(networks, inputs, request)
    figures = {
        "milliseconds": 1000 * (time.perf_counter() - wall),
        "cpuMilliseconds": 1000 * (time.process_time() - processor),
    }
    return figures, {name: value.float().numpy() for name, value in outputs.items()}


@torch.inference_mode()
def main() -> None:
    messages = claim_stdout()
    networks: OfficialNetworks | None = None
    for request, tensors in read_messages(sys.stdin.buffer):
        try:
            if request["operation"] == "open":
                networks = open_networks(request)
                write_message(messages, describe(), {})
            elif networks is None:
                raise RuntimeError("the first request must be open")
            else:
                write_message(messages, *answer(networks, request, tensors))
        except Exception as error:
            write_message(messages, {"error": f"{type(error).__name__}: {error}"}, {})


if __name__ == "__main__":
    main()
