"""What came of both variants since the last look, as the test wants it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.experiments.evidence import Sums
from reconciler.core.kinds.experiment import Observed
from reconciler.core.measurements import Trouble
from registry.core.canonical import Json

# Sums of millions of numbers are a little beside what they should be.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Total:
    """So many observations, their sum and, where known, the sum of their squares."""

    count: float
    sum: float
    squares: float | None = None

    def since(self, before: "Total") -> "Total":
        """What came after `before`."""
        squares = None
        if self.squares is not None and before.squares is not None:
            squares = self.squares - before.squares
        return Total(self.count - before.count, self.sum - before.sum, squares)


@dataclass(frozen=True, slots=True)
class Increment:
    """What came; `memo` is what the source wants back at the next look."""

    control: Total
    treatment: Total
    memo: Mapping[str, Json] = field(default_factory=dict)


def scaled(metric: Observed, came: Increment) -> tuple[Sums, Sums] | Trouble:
    """Both variants' sums between 0 and 1, control first; or why they cannot be as declared."""
    control, treatment = _scaled(metric, came.control), _scaled(metric, came.treatment)
    if isinstance(control, Trouble):
        return control
    return treatment if isinstance(treatment, Trouble) else (control, treatment)


def _scaled(metric: Observed, came: Total) -> Sums | Trouble:
    effect = metric.source.design_effect
    if came.count < 0 or (came.squares is not None and came.squares < 0):
        return Trouble("what was counted became less")
    if metric.bounds is None:
        return Sums(came.count / effect, came.sum / effect, (came.squares or 0.0) / effect)
    low, high = metric.bounds
    width, room = high - low, _ROUNDING * (1 + came.count)
    total = (came.sum - came.count * low) / width
    if not -room <= total <= came.count + room:
        return Trouble(
            f"{came.count:g} observations cannot have the sum {came.sum:g} if each lies between "
            f"{low:g} and {high:g}: count each once, when what is observed of it is known"
        )
    total = min(came.count, max(0.0, total))
    # Between 0 and 1 no square is more than the number itself: a bound that is always right.
    squares = total
    if came.squares is not None:
        exact = (came.squares - 2 * low * came.sum + came.count * low**2) / width**2
        squares = min(total, max(0.0, exact))
    return Sums(came.count / effect, total / effect, squares / effect)
