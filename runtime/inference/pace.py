"""Whether an engine is quick enough to run on the event loop itself.

A hop to a thread and back costs 100 to 200 µs under load on the machines measured, which is more
than many a model takes; while the engine runs on the loop, every other request waits. At about
1 ms the two meet: the hop is then a tenth of the answer, and the wait is what a client on the
same network does not notice. The threshold has two edges so that a model at it does not flutter.
"""

import resource
from typing import NamedTuple

QUICK_NS = 800_000
SLOW_NS = 1_200_000
# A run this long on the loop may be the machine's accident, which a few runs on threads outlast.
# Another soon after it, or a longer one, is none: whoever can send it once can send it again.
_BARRED_AT_NS = 20_000_000
_NO_ACCIDENT_NS = 100_000_000
_BARRED_RUNS, _BARRED_LONG_RUNS = 20, 1000
_SOON_RUNS = 1000
_TINY_NS = 100_000
_WEIGHT = 8  # of the mean so far, against one new run
_CLIP = 4  # a run that was preempted counts as no more than so many usual ones
_TRUSTED = 4  # until so many runs the shortest counts: the first ones of a shape allocate


class Pace:
    """The usual time of one call, for inputs of about the same size: within a power of two."""

    __slots__ = ("_barred", "_ns", "_quick", "_seen", "_since")

    def __init__(self) -> None:
        self._ns = [0.0] * 64
        self._seen = [0] * 64
        self._quick = [False] * 64
        self._barred = 0
        self._since = _SOON_RUNS  # runs since the last that was too long

    def took(self, size: int, nanoseconds: int, *, is_known: bool = True) -> None:
        """An input of `size` bytes ran for so long; unless that `is_known`, others may have had the
        core for the most of it."""
        at = size.bit_length()
        mean, seen = self._ns[at], self._seen[at]
        if seen < _TRUSTED:
            mean = float(nanoseconds) if seen == 0 else min(mean, nanoseconds)
            self._seen[at] = seen + 1
        else:
            mean += (min(nanoseconds, _CLIP * mean) - mean) / _WEIGHT
        self._ns[at] = mean
        self._quick[at] = mean < (SLOW_NS if self._quick[at] else QUICK_NS)
        if nanoseconds > _BARRED_AT_NS and seen:
            is_none = nanoseconds > _NO_ACCIDENT_NS or self._since < _SOON_RUNS
            if is_known:
                self._barred = _BARRED_LONG_RUNS if is_none else _BARRED_RUNS
            self._since = 0
            return
        self._since += 1
        if self._barred:
            self._barred -= 1

    def is_quick(self, size: int) -> bool:
        """Whether an input of `size` bytes may run on the loop; unknown sizes are estimated."""
        at = size.bit_length()
        if self._barred:
            return False
        return self._quick[at] if self._seen[at] else self._estimated(at)

    def is_tiny(self, size: int) -> bool:
        """Whether inputs of `size` bytes take so little that what one took by itself need not be
        known. One that is too long all the same is let pass, and the next are looked at again."""
        at = size.bit_length()
        is_usual = self._seen[at] >= _TRUSTED and self._since >= _BARRED_RUNS
        return is_usual and self._ns[at] < _TINY_NS

    def _estimated(self, at: int) -> bool:
        """From the next smaller size that was seen, as if time grew with size."""
        if any(self._quick[at:]):
            return True
        for smaller in range(at - 1, -1, -1):
            if self._seen[smaller]:
                return self._ns[smaller] * (1 << (at - smaller)) < QUICK_NS
        return False


class Worked(NamedTuple):
    """Processor time of this process, all its threads, and how often one of them gave its core
    up by itself: to wait for a lock, a disk, a clock."""

    nanoseconds: int
    waits: int

    def since(self, before: "Worked") -> "Worked":
        """What came in between."""
        return Worked(self.nanoseconds - before.nanoseconds, self.waits - before.waits)


def worked() -> Worked:
    """Until now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Worked(int((used.ru_utime + used.ru_stime) * 1e9), used.ru_nvcsw)


def own(nanoseconds: int, worked: Worked) -> int:
    """What a run took, without the time for which others had the core: on a busy machine that is
    most of it. A run of which no thread ever waited had no more than it worked; of a very long one
    that did wait nobody knows what it would have done on a free machine."""
    if nanoseconds > _NO_ACCIDENT_NS and worked.waits:
        return nanoseconds
    return min(nanoseconds, worked.nanoseconds)


class NeverQuick(Pace):
    """For an engine that the loop must not wait for, however quick it is: another process may
    hang or die."""

    __slots__ = ()

    def is_quick(self, size: int) -> bool:
        del size
        return False
