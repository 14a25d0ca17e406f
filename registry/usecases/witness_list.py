"""Whose cosignatures on the log's checkpoints count, and how many hosts demand."""

from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.core import canonical, fields, note, trustroot


@dataclass(frozen=True, slots=True)
class Witnesses:
    """`threshold` of `keys` must have cosigned, at most `max_age` seconds ago unless that is 0."""

    keys: tuple[note.WitnessKey, ...] = ()
    threshold: int = 0
    max_age: int = 0


def read(file: Path) -> Witnesses:
    """The list in `file`, nobody where it is missing; raises InvalidInput or InvalidConfig."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return Witnesses()
    document, what = canonical.decode_object(content, what=str(file)), str(file)
    threshold, max_age = (
        fields.integer(document, name, what=what) if name in document else 0
        for name in ("threshold", "maxAge")
    )
    keys = trustroot.witness_keys(document)
    if not 0 <= threshold <= len(keys) or max_age < 0:
        raise errors.InvalidConfig(
            f"{file} names {len(keys)} witnesses, and a threshold of {threshold}",
            fix="a threshold is from 0 to the number of witnesses",
        )
    return Witnesses(keys, threshold, max_age)
