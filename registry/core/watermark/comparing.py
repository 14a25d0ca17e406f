"""Compares a suspect with one marked version: aligned first, then scored for every recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.core.watermark import alignment
from registry.core.watermark.alignment import Held
from registry.core.watermark.detection import Tally
from registry.core.watermark.findings import Score
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import Tensor

# So many weights name anybody that can be named; more would only take longer.
MOST = 1 << 25


@dataclass(frozen=True, slots=True)
class Compared:
    """How many weights were scored, how many tensors had to be put back, and what came out.

    `similarity` is the cosine over all of them, 0 where there was no original to compare with.
    """

    matched: int
    realigned: int
    similarity: float
    scores: tuple[Score, ...]


def compare(
    suspect: Mapping[str, Held], original: Mapping[str, Held], keys: Mapping[str, CopyKey]
) -> Compared:
    """Blind and informed."""
    tally = Tally(keys)
    matched = realigned = 0
    weighted = 0.0
    for pair in alignment.pairs(suspect, original):
        tally.informed(pair.tensor, pair.suspect, pair.original)
        matched += pair.original.size
        realigned += pair.is_realigned
        weighted += pair.cosine * pair.original.size
        if matched >= MOST:
            break
    similarity = round(weighted / matched, 4) if matched else 0.0
    return Compared(matched, realigned, similarity, tally.scores())


def compare_blind(
    suspect: Mapping[str, Held], tensors: Sequence[Tensor], keys: Mapping[str, CopyKey]
) -> Compared:
    """Without the original: only tensors of the same name and shape."""
    tally = Tally(keys)
    matched = 0
    for tensor in tensors:
        held = suspect.get(tensor.name)
        if held is not None and held.tensor.shape == tensor.shape and matched < MOST:
            array = alignment.plain(held)
            tally.blind(tensor, array)
            matched += array.size
    return Compared(matched, 0, 0.0, tally.scores())
