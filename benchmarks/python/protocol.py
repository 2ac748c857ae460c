"""What the benchmark and this process say to each other: a line of JSON, then raw float32 tensors.

A message is one line, an object whose `tensors` lists `{"name", "dims"}`, followed by the tensors'
little-endian numbers in that order. Whatever else writes to stdout goes to stderr instead.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

Tensors = dict[str, np.ndarray]


def claim_stdout() -> BinaryIO:
    """Takes stdout for messages; prints of libraries end up in stderr."""
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return messages


def read_messages(stream: BinaryIO) -> Iterator[tuple[dict[str, Any], Tensors]]:
    """Yields requests until the stream ends."""
    while line := stream.readline():
        header = json.loads(line)
        infos = header["tensors"]
        yield header, {info["name"]: read_tensor(stream, info["dims"]) for info in infos}


def read_tensor(stream: BinaryIO, dims: list[int]) -> np.ndarray:
    size = 4 * int(np.prod(dims))
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"a tensor of {size} bytes ended after {len(data)}")
    return np.frombuffer(data, dtype="<f4").reshape(dims).copy()


def write_message(stream: BinaryIO, header: dict[str, Any], tensors: Tensors) -> None:
    infos = [{"name": name, "dims": list(value.shape)} for name, value in tensors.items()]
    stream.write(json.dumps({**header, "tensors": infos}).encode() + b"\n")
    for value in tensors.values():
        stream.write(np.ascontiguousarray(value, dtype="<f4").tobytes())
    stream.flush()
