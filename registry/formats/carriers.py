"""Which of a model's tensors carry a mark: all of floats with two dimensions or more, each once.

Tensors may share bytes where that is one tensor under two names, or a view into a larger one.
Where the same bytes are also read as something else, to mark them would change that too.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from registry.core.watermark.scheme import Tensor
from registry.formats.refusal import unsafe
from registry.formats.weights import MAX_NAME, MAX_RANK, MAX_RUNS, WIDTHS, Run

_APART = "save the model again, with each weight in bytes of its own"


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes [offset, stop) of a file, which hold a tensor from its element `start` on.

    `dtype` is as in `WIDTHS` for floats, and the format's own word for all others.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: str
    offset: int
    stop: int
    start: int = 0

    @property
    def is_carrier(self) -> bool:
        """Whether it holds weights that can be marked."""
        return self.dtype in WIDTHS and 2 <= len(self.shape) <= MAX_RANK and self.stop > self.offset


def runs(claims: Iterable[Claim]) -> dict[str, tuple[Run, ...]]:
    """Those that can be marked, by file and offset; raises UnsafeModel naming file and tensor."""
    by_path: dict[str, list[Claim]] = {}
    for claim in claims:
        by_path.setdefault(claim.path, []).append(claim)
    found = {}
    for path, listed in sorted(by_path.items()):
        # The longest of those that begin together, then by name, whatever the file's order.
        listed.sort(key=lambda claim: (claim.offset, -claim.stop, claim.name))
        chosen = _chosen(claim for claim in listed if claim.is_carrier)
        _require_apart(listed, chosen)
        if chosen:
            found[path] = tuple(_run(claim) for claim in chosen)
    _require_limits(found)
    return found


def _chosen(carriers: Iterable[Claim]) -> list[Claim]:
    chosen: list[Claim] = []
    for claim in carriers:
        if not chosen or claim.offset >= chosen[-1].stop:
            chosen.append(claim)
        elif claim.stop > chosen[-1].stop:
            raise _shared(claim, chosen[-1])
    return chosen


def _require_apart(listed: Iterable[Claim], chosen: Sequence[Claim]) -> None:
    """What shares bytes with a marked tensor reads them as the same numbers."""
    offsets = [claim.offset for claim in chosen]
    for claim in listed:
        at = bisect_left(offsets, claim.stop) - 1
        while at >= 0 and chosen[at].stop > claim.offset and claim.stop > claim.offset:
            other = chosen[at]
            width = WIDTHS[other.dtype]
            if claim.dtype != other.dtype or (claim.offset - other.offset) % width:
                raise _shared(claim, other)
            at -= 1


def _require_limits(found: dict[str, tuple[Run, ...]]) -> None:
    count = 0
    for path, listed in found.items():
        count += len(listed)
        long = next((run.tensor.name for run in listed if len(run.tensor.name) > MAX_NAME), None)
        if long is not None:
            raise unsafe(
                path, f"a tensor's name has {len(long)} characters", fix="give it a shorter name"
            )
        if count > MAX_RUNS:
            raise unsafe(
                path, f"it has more than {MAX_RUNS} tensors", fix="save fewer, larger tensors"
            )


def _run(claim: Claim) -> Run:
    count = (claim.stop - claim.offset) // WIDTHS[claim.dtype]
    return Run(Tensor(claim.name, claim.dtype, claim.shape), claim.offset, claim.start, count)


def _shared(claim: Claim, other: Claim) -> Exception:
    return unsafe(
        claim.path,
        f"tensors {claim.name[:80]!r} and {other.name[:80]!r} share bytes {claim.offset} to "
        f"{min(claim.stop, other.stop)}, and not as one tensor: they cannot be marked apart",
        fix=_APART,
    )


def byte_count(dtype: str, shape: Sequence[int]) -> int:
    """What a float tensor of this shape takes."""
    return prod(shape) * WIDTHS[dtype]
