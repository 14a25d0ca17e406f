"""How sure a share is, and how sure a difference of two shares of the same samples. Pure."""

from dataclasses import dataclass
from statistics import NormalDist

USUAL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a value lies."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Answers of two models to the same samples: `lost` were right before alone, `gained` are
    right after alone."""

    samples: int
    right_before: int
    right_after: int
    lost: int
    gained: int

    @property
    def loss(self) -> float:
        """How much less of the answers are right, a share; below 0 where more are."""
        return (self.lost - self.gained) / self.samples


def wilson(right: int, samples: int, confidence: float = USUAL) -> Interval:
    """Of the share `right` of `samples` (Wilson 1927); 0 to 1 where there are none."""
    if not samples:
        return Interval(0.0, 1.0)
    z, share = _z(confidence), right / samples
    middle = share + z * z / (2 * samples)
    spread = z * (share * (1 - share) / samples + z * z / (4 * samples * samples)) ** 0.5
    below = 1 + z * z / samples
    low = (middle - spread) / below if right else 0.0
    return Interval(low, (middle + spread) / below if right < samples else 1.0)


def loss(of: Paired, confidence: float = USUAL) -> Interval:
    """Of the loss: Wald's interval for matched pairs after half a sample is added to each of the
    four cells (Agresti and Min 2005), so that no loss in a few samples proves little."""
    samples, lost, gained = of.samples + 2, of.lost + 0.5, of.gained + 0.5
    change = (lost - gained) / samples
    variance = (lost + gained - (lost - gained) ** 2 / samples) / samples**2
    spread = _z(confidence) * variance**0.5
    return Interval(max(-1.0, change - spread), min(1.0, change + spread))


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
