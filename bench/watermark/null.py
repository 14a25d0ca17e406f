"""Wrong keys and innocent hosts: nobody may be named, and the theory must fit what is seen.

Wrong keys: 100,000 keys of other masters against a small network that is really marked. What the
detectors look at depends on no key, so it is taken once, and the sums are taken for both marks and
both detectors together; tests hold them equal to the detector's own. Innocent hosts: a thousand in
each network's own fleet, who have a copy each and leaked nothing, against what others leaked.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

from bench.watermark import attacks, collusion, finding, plot, tables, trained
from bench.watermark.finding import Version
from bench.watermark.tables import Table
from bench.watermark.tasks import Array
from bench.watermark.trained import KEPT
from registry.core.watermark import chips, detection, keys, statistics
from registry.core.watermark.findings import Detector
from registry.core.watermark.keys import CopyKey, VersionKey
from registry.core.watermark.scheme import OWNER, Tensor

WRONG_KEYS, INNOCENT = 100_000, 1_000
_GUILTY = 16
_AT_ONCE = 2_500
_HOST = "host-0"
_DIGEST = f"sha256:{'0' * 64}"
_BY_LIMIT = np.stack([statistics.MEANS, statistics.CHIP_PROXIES, statistics.VARIANCES], axis=1)
_BOTH = (Detector.BLIND, Detector.INFORMED)
_HEAD = (
    "scores of", "scores", "mean", "sd", "KS p", "highest z", "highest u", "names from u", "named",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Null:
    """Scores that should be nobody's: z in standard deviations, u as the exact bound reads it."""

    said: str
    z: Array
    u: Array

    @property
    def threshold(self) -> float:
        """Where all of these together name anybody with a chance of at most 1e-6."""
        return statistics.threshold(len(self.u))

    @property
    def named(self) -> int:
        """How many are beyond it."""
        return int(np.sum(self.u >= self.threshold))

    @property
    def fit(self) -> float:
        """Kolmogorov and Smirnov's p: are the z those of a standard normal distribution?"""
        return float(stats.kstest(self.z, "norm").pvalue)


def keep(found: Sequence[Null]) -> None:
    """The table of all of them."""
    tables.keep(Table("null", _HEAD, [_cells(one) for one in found]))


def _cells(one: Null) -> list[str]:
    return [
        one.said, f"{len(one.z):,}", f"{one.z.mean():+.3f}", f"{one.z.std():.3f}",
        f"{one.fit:.2f}", f"{one.z.max():.2f}", f"{one.u.max():.2f}", f"{one.threshold:.2f}",
        str(one.named),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What the two detectors look at in one tensor (2, n), which depends on no key."""

    tensor: Tensor
    y: Array
    squares: Array
    total: Array

    @property
    def count(self) -> int:
        """Its weights."""
        return int(self.y.shape[1])


def seen(name: str, suspect: Array, original: Array) -> Seen:
    """One tensor of a suspect, as it lies in the original."""
    y = np.stack(
        [detection.sizes(suspect).ravel(), detection.differences(suspect, original).ravel()]
    )
    squares = np.square(y)
    return Seen(finding.tensor(name, original), y, squares, y.sum(axis=1, dtype=np.float64))


def wrong_keys() -> Iterator[Null]:
    """Of both marks and both detectors; the drawing is kept."""
    model = trained.trained("small")
    version = finding.version(model.weights)
    suspect = attacks.ATTACKS["pruned 50 %"](version.copy(_HOST))
    looked_at = [
        seen(name, suspect[name], values)
        for name, values in version.original.items()
        if values.ndim >= 2
    ]
    starts = range(1, WRONG_KEYS + 1, _AT_ONCE)
    with ProcessPoolExecutor(2, get_context("spawn"), threadpool_limits, (1,)) as two:
        work = partial(_part, looked_at)
        parts = list(two.map(work, starts))
    scores = np.concatenate(parts)
    marks = [(who, how) for who in (OWNER, _HOST) for how in _BOTH]
    right = version.scores(suspect, [_HOST])
    for place, (recipient, detector) in enumerate(marks):
        said = f"{'owner' if recipient == OWNER else 'host'}, {detector}"
        null = Null(f"wrong keys: {said}", scores[:, place, 0], scores[:, place, 1])
        if (recipient, detector) == (OWNER, Detector.INFORMED):
            z = right[recipient, detector].z
            _draw(null, z, f"{said}; network of {version.weights:,} weights, marked, half pruned")
        yield null


def _part(looked_at: Sequence[Seen], start: int) -> Array:
    return scored(looked_at, start=start, count=_AT_ONCE)


def wrong_key(number: int) -> VersionKey:
    """That of another master, of which there are as many as numbers."""
    return keys.version_key(number.to_bytes(32, "big"), _DIGEST)


def scored(seen: Sequence[Seen], *, start: int, count: int) -> Array:
    """(keys, 4, 2): z and u by each mark and detector, of `count` wrong keys."""
    sums = np.zeros((count, 2, 2, 3))  # key, mark, detector; product, proxy, variance
    for place in range(count):
        key = wrong_key(start + place).copy_key(_HOST)
        for one in seen:
            sums[place] += _sums(key, one)
    product, proxy, variance = np.moveaxis(sums.reshape(count, 4, 3), 2, 0)
    return np.stack([product / np.sqrt(variance), product / np.sqrt(proxy)], axis=2)


def _sums(key: CopyKey, one: Seen) -> Array:
    """What `detection.Tally` adds up for one tensor, of both marks and both detectors at once."""
    limits = chips.limits(key, one.tensor, 0, one.count)
    signs = chips.draws(key, one.tensor, 0, one.count) < limits
    owner = one.y @ statistics.MEANS.take(limits)
    host = 2 * (one.y @ signs.astype(np.float32)) - one.total - owner
    proxy = one.squares @ statistics.CHIP_PROXIES.take(limits)
    variance = one.squares @ statistics.VARIANCES.take(limits)
    whole = one.squares.sum(axis=1, dtype=np.float64)
    of_owner = [owner, statistics.BIAS_PROXY * whole, statistics.BIAS_VARIANCE * whole]
    return np.array([of_owner, [host, proxy, variance]]).transpose(0, 2, 1)


def _draw(null: Null, right: float, said: str) -> None:
    drawn = plot.drawn(plot.Null(null.z, null.threshold, right, said))
    (KEPT / "watermark-null.svg").write_text(drawn, encoding="utf-8")


def innocents(kind: str) -> Iterator[Null]:
    """A thousand hosts of one network's fleet, both detectors, against what others leaked."""
    names = [f"innocent-{number}" for number in range(INNOCENT)]
    version = finding.version(trained.trained(kind).weights)
    for said, suspect in _suspects(version):
        scores = version.scores(suspect, names)
        given = [score for (name, _), score in scores.items() if name != OWNER]
        yield Null(
            f"innocent hosts, {kind}: {said}",
            np.array([score.z for score in given]),
            np.array([score.u for score in given]),
        )


def _suspects(version: Version) -> Sequence[tuple[str, dict[str, Array]]]:
    copies = [version.copy(f"host-{number}") for number in range(_GUILTY)]
    coin = collusion.COLLUSIONS["min or max by coin"]
    average = collusion.COLLUSIONS["average"]
    return [
        ("a copy pruned 90 %", attacks.ATTACKS["pruned 90 %"](copies[0])),
        ("average of 4 copies", collusion.together(copies[:4], average, seed=1)),
        (f"min or max of {_GUILTY} copies", collusion.together(copies, coin, seed=1)),
    ]
