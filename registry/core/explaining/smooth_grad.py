"""SmoothGrad: the score's gradient, averaged over noisy copies of the instance.

D. Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017. A value is in the score's
unit for each of the feature's own: how the score answers to a small change, not a share of it.
"""

import numpy as np

from registry.core.explaining.gradients import Joint
from registry.core.explaining.terms import Array, Attribution


class SmoothGrad:
    """See `gradients.GradientMethod`; `deviation` (elements,) is the noise's, `samples` copies
    are drawn besides the instance itself."""

    def __init__(
        self, instance: Array, deviation: Array, joint: Joint, samples: int,
        random: np.random.Generator,
    ) -> None:  # fmt: skip
        self._instance, self._deviation, self._joint = instance, deviation, joint
        self._random, self._wanted = random, samples + 1
        self._sum, self._squares = np.zeros(joint.count), np.zeros(joint.count)
        self._score, self._asked = np.nan, 0

    def wanted(self, most: int) -> Array | None:
        """See `GradientMethod`. The draws of one seed are the same for every size of batch."""
        if self._asked == 0:
            return np.asarray(self._instance[None], np.float64)
        count = min(most, self._wanted - self._asked)
        if count <= 0:
            return None
        noise = self._random.standard_normal((count, len(self._instance)))
        return np.asarray(self._instance + self._deviation * noise)

    def told(self, scores: Array, gradients: Array) -> None:
        """See `GradientMethod`; of the instance itself only the score counts."""
        if self._asked == 0:
            self._score = float(scores[0])
        else:
            joined = self._joint.summed(gradients)
            self._sum += joined.sum(axis=0)
            self._squares += (joined**2).sum(axis=0)
        self._asked += len(scores)

    def found(self) -> Attribution | None:
        """See `GradientMethod`; there is no base, and no error of a single draw."""
        drawn = self._asked - 1
        if drawn < 1:
            return None
        values = self._sum / drawn
        varies = np.maximum(self._squares / drawn - values**2, 0) / max(drawn - 1, 1)
        errors = np.sqrt(varies) if drawn > 1 else np.full(len(values), np.nan)
        is_finished = self._asked == self._wanted
        return Attribution(values, errors, np.nan, self._score, np.nan, self._asked, is_finished)
