"""Positions to words: the lines of a file of the version."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from registry.core.steps import FILE
from registry.core.steps.kinds import Labels
from registry.errors import PlimsollError, UnsafeModel
from runtime.backends.protocol import Array, objects

_LARGEST = 32 << 20


def part(step: Labels, path: Path, width: int) -> Callable[[dict[str, Array]], None]:
    """The step, ready to run; raises `UnsafeModel` where the file has fewer than `width` lines."""
    lines = _lines(path)
    if len(lines) < width:
        raise UnsafeModel(
            f"{FILE}: {step.file} has {len(lines)} lines, the model has {width} classes",
            fix="write one line for each class, in the model's order",
        )
    words = objects(lines, (len(lines),))

    def run(tensors: dict[str, Array]) -> None:
        given = tensors[step.input]
        if given.size and not 0 <= given.min() <= given.max() < len(lines):
            raise PlimsollError(
                f"the model gave the class {given.max()}, {step.file} has {len(lines)} lines"
            )
        tensors[step.output] = words[given.astype(np.int64)].reshape(given.shape)

    return run


def _lines(path: Path) -> list[bytes]:
    try:
        if path.stat().st_size > _LARGEST:
            raise UnsafeModel(f"{FILE}: {path.name} is over {_LARGEST} bytes")
        found = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise UnsafeModel(f"{FILE}: the version has no file {path.name}") from error
    except UnicodeDecodeError as error:
        raise UnsafeModel(f"{FILE}: {path.name} is not UTF-8") from error
    if found[-1] == "":
        found.pop()
    return [line.removesuffix("\r").encode() for line in found]
