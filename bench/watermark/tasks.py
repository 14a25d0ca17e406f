"""What the models learn: scikit-learn's digits, and Python that came with installed packages.

Nothing is downloaded. Both tasks are the same in each run: fixed seeds, files in order of name.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

Array = Any  # of NumPy, whose stubs know no more of most operations either

SEED = 11
WORDS = 14_000  # 0 stands for a word outside the vocabulary
LENGTH = 24  # words of one snippet
PACKAGES = (
    "hypothesis", "keras", "moto", "mypy", "numpy", "onnx", "scipy", "sklearn", "sqlalchemy",
    "tensorflow",
)  # fmt: skip
_TRAINED, _ASKED = 1200, 300  # snippets of each package
_OF_A_FILE = 25
_WORD = re.compile(r"[A-Za-z_]\w*|\d+|[^\s\w]")
_LARGEST_FILE = 200_000


@dataclass(frozen=True, slots=True)
class Task:
    """Inputs to learn from and to be asked about, with their labels 0..9."""

    trained: Array
    trained_labels: Array
    asked: Array
    asked_labels: Array


def digits() -> Task:
    """8x8 pictures (n, 64), float32 in 0..1, each also shifted by a pixel to its 8 sides."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  heavy, and only needed here
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    images, labels = load_digits(return_X_y=True)
    learnt, asked, learnt_labels, asked_labels = train_test_split(
        images.astype(np.float32) / 16, labels, test_size=540, random_state=SEED, stratify=labels
    )
    return Task(
        _shifted(learnt), np.tile(learnt_labels, 9), _shifted(asked), np.tile(asked_labels, 9)
    )


def _shifted(images: Array) -> Array:
    square = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    moved = [square[:, up : up + 8, left : left + 8] for up in range(3) for left in range(3)]
    return np.concatenate(moved).reshape(-1, 64)


def snippets() -> Task:
    """24 words of source (n, 24), int32: from which of ten packages do they come?"""
    learnt: list[list[str]] = []
    asked: list[list[str]] = []
    for package in PACKAGES:
        taken = list(islice(_snippets(package), _TRAINED + _ASKED))
        held = slice(None, None, (_TRAINED + _ASKED) // _ASKED)
        asked += taken[held]
        del taken[held]
        learnt += taken
    counted = Counter(word for snippet in learnt for word in snippet)
    numbers = {word: n for n, (word, _) in enumerate(counted.most_common(WORDS - 1), start=1)}
    labels = np.arange(len(PACKAGES))
    return Task(
        _numbered(learnt, numbers),
        np.repeat(labels, _TRAINED),
        _numbered(asked, numbers),
        np.repeat(labels, _ASKED),
    )


def _numbered(texts: list[list[str]], numbers: dict[str, int]) -> Array:
    return np.array([[numbers.get(word, 0) for word in text] for text in texts], np.int32)


def _snippets(package: str) -> Iterator[list[str]]:
    """From all over the package: some of one file, then of the next."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(package)
    files = sorted(Path(found.origin).parent.rglob("*.py"))
    for number in np.random.default_rng(SEED).permutation(len(files)):
        source = files[number].read_text(encoding="utf-8", errors="replace")
        words = _WORD.findall(source[:_LARGEST_FILE])
        for start in range(0, len(words) - LENGTH, LENGTH)[:_OF_A_FILE]:
            yield words[start : start + LENGTH]


TASKS = {"MLP": digits, "small": digits, "CNN": digits, "transformer": snippets}
