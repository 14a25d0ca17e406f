"""One slice of an explanation by gradients: points that a method wants, derived, and told.

Only floating inputs have gradients: the others stay what they are in the instance, and are no
features.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.core.explaining.grad_cam import GradCam
from registry.core.explaining.gradients import GradientMethod, Joint
from registry.core.explaining.integrated_gradients import IntegratedGradients
from registry.core.explaining.smooth_grad import SmoothGrad
from runtime.backends import bfloat16, gradient_calls
from runtime.backends.gradient_calls import GRADIENT, LAYER, MAPS, SCORE, SLOPES, TARGET
from runtime.backends.protocol import Array, Arrays, Backend, objects
from runtime.explaining.asking import Subject
from runtime.explaining.derivation import Derived
from runtime.explaining.question import Wish


def method(wish: Wish, subject: Subject, instance: int) -> GradientMethod:
    """Of one instance."""
    joint = Joint(subject.layout.flat(), subject.layout.count)
    point = flat(subject, subject.instances)[instance]
    if wish.method == "smooth_grad":
        random = np.random.default_rng([wish.seed, instance])
        deviation = wish.noise * _ranges(subject, instance)
        return SmoothGrad(point, deviation, joint, wish.samples, random)
    return IntegratedGradients(point, flat(subject, subject.background), joint, wish.samples)


@dataclass(frozen=True, slots=True)
class Slice:
    """The gradients of one instance's score, which is the number in `column` of the output."""

    subject: Subject
    derived: Derived
    method: GradientMethod
    instance: int
    column: int

    def __call__(self, backend: Backend, most: int) -> int:
        """How many points it was, none where the method wants no more."""
        del backend  # of the version that answers clients, which has none
        points = self.method.wanted(min(most, self.subject.at_most()))
        if points is None:
            return 0
        parts = [points] if self.subject.batches else np.split(points, len(points))
        found = [self._gradients(part) for part in parts]
        self.method.told(
            np.concatenate([scores for scores, _ in found]),
            np.vstack([gradients for _, gradients in found]),
        )
        return len(points)

    def _gradients(self, points: Array) -> tuple[Array, Array]:
        rows, subject = len(points), self.subject
        inputs = self._inputs(points) | {TARGET: np.full(rows, self.column)}
        found = self.derived.run(gradient_calls.name(subject.call, subject.output), inputs)
        gradients = [found[GRADIENT + name].reshape(rows, -1) for name in subject.layout.numbers]
        return found[SCORE], np.hstack(gradients)

    def _inputs(self, points: Array) -> dict[str, Array]:
        found = {name: np.repeat(array[self.instance : self.instance + 1], len(points), axis=0)
                 for name, array in self.subject.instances.items()}  # fmt: skip
        start = 0
        for name, numbers in self.subject.layout.numbers.items():
            part = points[:, start : start + numbers.size].reshape(len(points), *numbers.shape)
            found[name] = _typed(part, found[name].dtype)
            start += numbers.size
        return found


@dataclass(slots=True)
class Located:
    """One run, which says which layer it was."""

    subject: Subject
    derived: Derived
    method: GradCam
    instance: int
    column: int
    layer: str

    def __call__(self, backend: Backend, most: int) -> int:
        """1, then none."""
        del backend, most
        if self.method.is_told:
            return 0
        one = slice(self.instance, self.instance + 1)
        inputs = {name: array[one] for name, array in self.subject.instances.items()}
        inputs |= {TARGET: np.array([self.column]), LAYER: objects([self.layer.encode()], (1,))}
        named = gradient_calls.of_maps(self.subject.call, self.subject.output)
        found = self.derived.run(named, inputs)
        self.layer = bytes(found[LAYER][0]).decode(errors="replace")
        self.method.told(float(found[SCORE][0]), found[MAPS][0], found[SLOPES][0])
        return 1


def flat(subject: Subject, arrays: Arrays) -> Array:
    """(rows, elements), float64, of the inputs that are features."""
    return np.hstack(
        [
            np.asarray(bfloat16.numbers(arrays[name]), np.float64).reshape(len(arrays[name]), -1)
            for name in subject.layout.numbers
        ]
    )


def _ranges(subject: Subject, instance: int) -> Array:
    """(elements,): the largest less the smallest number of each element's input."""
    found: list[Array] = []
    for name, numbers in subject.layout.numbers.items():
        one = np.asarray(bfloat16.numbers(subject.instances[name][instance]), np.float64)
        found.append(np.full(numbers.size, np.ptp(one) if one.size else 0.0))
    return np.concatenate(found)


def _typed(numbers: Array, dtype: np.dtype[Any]) -> Array:
    return bfloat16.narrowed(numbers) if dtype == bfloat16.BFLOAT16 else numbers.astype(dtype)
