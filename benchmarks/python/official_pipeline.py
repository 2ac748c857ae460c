"""Runs the official pipeline from two files to a file, on the CPU.

    python official_pipeline.py CHECKOUT SETTINGS_JSON

does it once, in a process of its own; `official_worker.py` keeps the networks loaded.

The official script itself asks for CUDA. Differences from it, all of which save it time or leave it
alone: the device is the CPU; alignment points come from a file instead of InsightFace, which is
licensed for research only; the VAE and Whisper come from the model's own folder. It works in the
current folder, where it makes and deletes `temp/`.
"""

import json
import os
import sys
import types
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

from official_networks import OfficialNetworks

LANDMARKS = 106
# Which of InsightFace's landmarks the official code averages: one brow, the other, the nose.
GROUPS = ([43, 48, 49, 51, 50], [101, 102, 103, 104, 105], [74, 77, 83, 86])


def landmark_detector(path: str) -> Callable[[Any], tuple[list[int], np.ndarray]]:
    """A detector that finds, call by call, the points of a landmark file."""
    frames = iter(json.loads(Path(path).read_text())["points"])

    def detect(_: Any) -> tuple[list[int], np.ndarray]:
        landmarks = np.zeros((LANDMARKS, 2))
        for group, point in zip(GROUPS, next(frames), strict=True):
            landmarks[group] = point
        return [0, 0, 0, 0], landmarks

    return detect


def without_insightface() -> None:
    module = types.ModuleType("latentsync.utils.face_detector")
    module.FaceDetector = object
    sys.modules[module.__name__] = module


def create_pipeline(networks: OfficialNetworks, settings: dict[str, Any]) -> Any:
    without_insightface()
    from latentsync.pipelines import lipsync_pipeline
    from latentsync.utils.affine_transform import AlignRestore
    from latentsync.utils.image_processor import ImageProcessor
    from latentsync.whisper.audio2feature import Audio2Feature

    class CpuImageProcessor(ImageProcessor):
        def __init__(self, resolution: int, device: str, mask_image: Any) -> None:
            super().__init__(resolution, "cpu", mask_image)
            # Half precision has no grid sampling on a CPU.
            self.restorer = AlignRestore(resolution=resolution, device="cpu", dtype=torch.float32)
            self.face_detector = landmark_detector(settings["landmarks"])

    lipsync_pipeline.ImageProcessor = CpuImageProcessor
    audio = Audio2Feature(
        model_path=networks.model["whisper"],
        device="cpu",
        num_frames=settings["framesPerChunk"],
        audio_feat_length=[2, 2],
    )
    return lipsync_pipeline.LipsyncPipeline(
        vae=networks.vae,
        audio_encoder=audio,
        unet=networks.unet,
        scheduler=networks.scheduler(settings["inferenceSteps"]),
    )


def run_pipeline(pipeline: Any, checkout: Path, settings: dict[str, Any]) -> None:
    torch.manual_seed(settings["seed"])
    pipeline(
        video_path=settings["video"],
        audio_path=settings["audio"],
        video_out_path=settings["output"],
        num_frames=settings["framesPerChunk"],
        num_inference_steps=settings["inferenceSteps"],
        guidance_scale=settings["guidanceScale"],
        weight_dtype=torch.float32,
        width=settings["resolution"],
        height=settings["resolution"],
        mask_image_path=str(checkout / "latentsync/utils/mask.png"),
    )


def main() -> None:
    checkout, settings = sys.argv[1], json.loads(sys.argv[2])
    if settings["threads"] is not None:
        torch.set_num_threads(settings["threads"])
    networks = OfficialNetworks(checkout, settings["model"], "float32")
    pipeline = create_pipeline(networks, settings)
    with open(os.devnull, "w") as quiet, redirect_stdout(quiet):
        run_pipeline(pipeline, networks.checkout, settings)


if __name__ == "__main__":
    main()
