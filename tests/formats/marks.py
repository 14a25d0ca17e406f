"""Marks a whole model in memory, by a mark that anybody can check."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry import errors
from registry.core.watermark.scheme import Tensor
from registry.formats import inspection, marking
from registry.formats.marking import Marked, Sealed
from registry.formats.weights import WeightMap
from tests.formats.inspecting import LIMITS, Files, inspector, laid_out


class Alternating:
    """Every other weight grows by two percent, the rest shrinks; by name, which starts."""

    alpha = 0.02

    def mark(self, tensor: Tensor, start: int, block: NDArray[np.generic]) -> NDArray[np.generic]:
        places = np.arange(start, start + len(block)) + sum(tensor.name.encode())
        signs = 1 + self.alpha * (1 - 2 * (places & 1))
        if tensor.dtype == "bfloat16":
            grown = (block.astype(np.uint32) << 16).view(np.float32) * signs.astype(np.float32)
            return ((grown.view(np.uint32) + 0x8000) >> 16).astype(np.uint16)
        return (block * signs).astype(block.dtype)


def reading(files: Mapping[str, bytes]) -> marking.Read:
    return lambda path, start, stop: files[path][start:stop]


def find(folder: Path, files: Files, form: str | None = None) -> WeightMap:
    places = laid_out(folder, files)
    sizes = {path: len(content) for path, content in files.items()}

    def fetch(path: str, count: int | None) -> int:
        return inspection.open_plain(path, places[path])

    return inspector().weights(sizes, fetch, form, LIMITS)


def weights_verdict(folder: Path, files: Files, form: str) -> str:
    """How many weights there are, or why nobody can say."""
    try:
        return str(find(folder, files, form).weights)
    except errors.UnsafeModel as refusal:
        return refusal.detail


def sealed(files: Files, found: WeightMap) -> Sealed:
    sizes = {path: len(content) for path, content in files.items()}
    return marking.seal(found, Alternating(), reading(files), sizes)


def marked(folder: Path, files: Files, form: str | None = None) -> Files:
    """Every file of the copy, its digest checked."""
    found = find(folder, files, form)
    marking.require_sums(found, reading(files))
    done = sealed(files, found)
    copy = Marked(found, Alternating(), reading(files), patches=done.patches)
    made = {path: copy.read(path, 0, len(content)) for path, content in files.items()}
    for path, content in made.items():
        assert len(content) == len(files[path])
        if path in done.digests:
            assert done.digests[path] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        else:
            assert content == files[path]
    return made
