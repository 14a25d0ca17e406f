"""What counts as one feature of an instance, and rows in which some of them are absent.

Every element of every input is a feature of its own, unless a mask joins elements to one, as pixels
to patches: elements of one number in it are present and absent together. Works on any type of
tensor, strings too, since an absent element is another row's element and nothing is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from registry.core.explaining.terms import Array, Rows
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Layout:
    """For each input by name the number of each element's feature, shaped as one row of it."""

    numbers: Mapping[str, Array]
    count: int

    def composed(self, rows: Rows, instances: Mapping[str, Array], background: Mapping[str, Array]
                 ) -> dict[str, Array]:  # fmt: skip
        """The inputs to ask, (rows, *shape) each, in the instances' types."""
        found = {}
        for name, numbers in self.numbers.items():
            present = rows.present[:, numbers.reshape(-1)].reshape(len(rows), *numbers.shape)
            found[name] = np.where(
                present, instances[name][rows.subjects], background[name][rows.donors]
            )
        return found

    def spread(self, values: Array) -> dict[str, Array]:
        """One number a feature, in the place of each of its elements: (..., *shape) by input."""
        return {name: values[..., numbers] for name, numbers in self.numbers.items()}

    def flat(self) -> Array:
        """The number of each element's feature, input after input."""
        return np.concatenate([numbers.reshape(-1) for numbers in self.numbers.values()])

    def gathered(self, elements: Mapping[str, Array]) -> Array:
        """The sum over the elements of each feature: (rows, features) of (rows, *shape) each."""
        rows = len(next(iter(elements.values())))
        found = np.zeros((rows, self.count))
        for name, numbers in self.numbers.items():
            flat = np.asarray(elements[name], np.float64).reshape(rows, -1)
            np.add.at(found.T, numbers.reshape(-1), flat.T)
        return found


def each(instances: Mapping[str, Array]) -> Layout:
    """Every element a feature, numbered in the order of the inputs and row-major within one."""
    numbers, start = {}, 0
    for name, array in instances.items():
        shape = array.shape[1:]
        size = int(np.prod(shape, dtype=np.int64))
        numbers[name] = np.arange(start, start + size).reshape(shape)
        start += size
    return Layout(numbers, start)


def joined(instances: Mapping[str, Array], mask: Array) -> Layout:
    """Features as `mask` numbers the elements, in the order of `each`; raises `InvalidInput`.

    The numbers need not follow one another: they are ranked.
    """
    plain = each(instances)
    if mask.shape != (plain.count,):
        raise InvalidInput(
            f"'feature_mask' has {mask.size} numbers, one instance has {plain.count} elements",
            fix="give one number for each element, in row-major order",
        )
    known, ranks = np.unique(mask, return_inverse=True)
    numbers = {name: ranks[found] for name, found in plain.numbers.items()}
    return Layout(numbers, len(known))
