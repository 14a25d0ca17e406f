"""What somebody who watches a log must remember, and when he must stop believing it.

The one implementation for reconcilers, runtime hosts and whoever else keeps the last checkpoint
that he saw. Keeping it, fetching proofs and doing so one at a time is the caller's part.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from registry.core import merkle
from registry.core.note import Checkpoint
from registry.errors import IntegrityError, InvalidInput, LogForked, NotFound

# Brings the registry's proof that the log of `new` entries extends that of `old`.
Prove: TypeAlias = Callable[[int, int], Sequence[bytes]]


def later(last: Checkpoint | None, seen: Checkpoint, prove: Prove) -> Checkpoint:
    """What to remember: the later of both, once they are shown to be views of one log.

    An older view is fine as long as the later one extends it. Raises `LogForked` where it does
    not or cannot be shown; what else `prove` raises, such as `Unavailable`, leaves things as
    they were.
    """
    if last is None or not last.size:
        return seen
    if not seen.size:
        return last
    older, newer = (last, seen) if last.size <= seen.size else (seen, last)
    _require_growth(older, newer, prove)
    return newer if newer.size > last.size else last


def _require_growth(older: Checkpoint, newer: Checkpoint, prove: Prove) -> None:
    try:
        proof = prove(older.size, newer.size) if older.size < newer.size else ()
    except (NotFound, InvalidInput) as error:
        raise LogForked(
            f"the registry cannot show that its log of {newer.size} entries extends the one of "
            f"{older.size} seen before: {error.detail}",
            fix="restore the registry's database from before the loss",
        ) from error
    try:
        merkle.check_consistency((older.size, older.root), (newer.size, newer.root), proof)
    except IntegrityError as error:
        raise LogForked(
            f"the registry's log is not the one seen before: {error.detail}",
            fix="do not deploy; compare the checkpoints kept by reconcilers and hosts",
        ) from error
