"""Marks networks and looks for the marks, with the code that the registry runs.

A network stands for the files that a publisher signed; a suspect is whatever arrays somebody
found, under any names, in any layout.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.watermark.tasks import Array
from registry import errors
from registry.core.watermark import comparing, keys, scheme, statistics
from registry.core.watermark.embedding import Marker
from registry.core.watermark.findings import Detector, Score
from registry.core.watermark.keys import CopyKey, VersionKey
from registry.core.watermark.scheme import OWNER, Tensor

Weights = dict[str, Array]
_MASTER, _SECOND = b"m" * 32, b"n" * 32
# A thousand hosts and the owner, each looked for blind and informed.
_FAMILY = 2 * 1001
THRESHOLD = statistics.threshold(_FAMILY)


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor at hand."""

    tensor: Tensor
    load: Callable[[], NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Found:
    """z of the owner's mark, blind, and of the guilty host's; `u` is what the bound reads.

    `innocent` is the highest z of any host that had nothing to do with it, `accused` how many of
    them the threshold for a thousand hosts would name.
    """

    owner_blind: float
    owner_informed: float
    blind: float
    informed: float
    u: float
    innocent: float
    accused: int
    similarity: float

    @property
    def is_named(self) -> bool:
        """Beyond the threshold for a thousand hosts."""
        return self.u >= THRESHOLD


@dataclass(frozen=True, slots=True)
class Version:
    """A network with the key of its marks."""

    original: Weights
    key: VersionKey
    alpha: float
    weights: int

    def copy(self, recipient: str) -> Weights:
        """The network as `recipient` gets it."""
        return marked(self.original, self.key.copy_key(recipient), self.alpha)

    def keys(self, recipients: Iterable[str]) -> dict[str, CopyKey]:
        """The keys by which their copies are found."""
        return {name: self.key.copy_key(name) for name in recipients}

    def scores(
        self, suspect: Weights, recipients: Sequence[str]
    ) -> Mapping[tuple[str, Detector], Score]:
        """Of every recipient and of the owner, by both detectors."""
        found = comparing.compare(
            held(suspect), held(self.original), self.keys([OWNER, *recipients])
        )
        return {(one.recipient, one.detector): one for one in found.scores}

    def found(self, suspect: Weights, guilty: str, innocent: Sequence[str]) -> Found:
        """One host's copy among those of innocent ones."""
        compared = comparing.compare(
            held(suspect), held(self.original), self.keys([OWNER, guilty, *innocent])
        )
        scores = {(one.recipient, one.detector): one for one in compared.scores}

        def z(name: str, detector: Detector) -> float:
            return scores[name, detector].z

        others = [one for one in compared.scores if one.recipient in innocent]
        return Found(
            z(OWNER, Detector.BLIND),
            z(OWNER, Detector.INFORMED),
            z(guilty, Detector.BLIND),
            z(guilty, Detector.INFORMED),
            max(scores[guilty, detector].u for detector in Detector),
            max(one.z for one in others),
            len({one.recipient for one in others if one.u >= THRESHOLD}),
            compared.similarity,
        )


def version(weights: Weights, master: bytes = _MASTER) -> Version:
    """The network as a registry would mark it."""
    count = sum(values.size for values in weights.values() if values.ndim >= 2)
    strength = scheme.strength(count)
    if not isinstance(strength, scheme.Strength):
        raise errors.InvalidInput(f"{count} weights are too few to be marked")
    return Version(weights, version_key(weights, master), strength.alpha, count)


def version_key(weights: Weights, master: bytes) -> VersionKey:
    """The key of marks in this network, by one master key."""
    hashed = hashlib.sha256()
    for name, values in sorted(weights.items()):
        hashed.update(name.encode() + values.tobytes())
    return keys.version_key(master, f"sha256:{hashed.hexdigest()}")


def overwritten(copy: Weights, alpha: float | None = None) -> Weights:
    """The copy with a second mark, by somebody with another key."""
    second = version(copy, _SECOND)
    return marked(copy, second.key.copy_key("thief"), alpha or second.alpha)


def marked(weights: Weights, key: CopyKey, alpha: float) -> Weights:
    """Every array that can carry a mark, marked."""
    marker = Marker(key, alpha)
    return {
        name: marker.mark(tensor(name, values), 0, values.ravel()).reshape(values.shape)
        if values.ndim >= 2
        else values
        for name, values in weights.items()
    }


def tensor(name: str, values: Array) -> Tensor:
    """As the registry would describe it."""
    return Tensor(name, values.dtype.name, values.shape)


def held(weights: Weights) -> dict[str, Held]:
    """What can carry a mark, as the detector takes it."""

    def one(name: str, values: Array) -> Held:
        return Held(tensor(name, values), lambda: values)

    return {name: one(name, values) for name, values in weights.items() if values.ndim >= 2}
