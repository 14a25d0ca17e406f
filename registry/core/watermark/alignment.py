"""Puts a suspect's tensors back where the original has them: axes, neurons, scales.

Tensors are paired by their sizes in any order and by how well they agree. Where they do not agree,
neurons may stand in another order: those of one axis are found by their cosines, and that order is
tried on the tensors that read the same neurons. No key goes in, so whatever is chosen here, the
bound on a score holds.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from registry.core.watermark import outliers
from registry.core.watermark.rescaling import ALIKE, rescaled, rows
from registry.core.watermark.scheme import Tensor

Array: TypeAlias = NDArray[np.float32]
_MOST_KNOWN, _MOST_SHAPES, _WIDEST = 6, 24, 16_384
# What a suspect that fits nowhere may cost: weights read for each of the original's, and products.
_READ_AGAIN, _PRODUCTS = 40, 1 << 38
_SAMPLE = 1 << 16
_LEAST = 1e-12


class Held(Protocol):
    """A tensor that is read when it is wanted."""

    @property
    def tensor(self) -> Tensor: ...

    @property
    def load(self) -> Callable[[], NDArray[np.generic]]: ...


@dataclass(frozen=True, slots=True)
class Order:
    """Neurons along one axis: which of the suspect's is the original's nth, and its factor."""

    places: NDArray[np.intp]
    factors: Array

    def inverse(self) -> "Order":
        """For what reads these neurons: it divides where they were multiplied."""
        return Order(self.places, (1 / self.factors).astype(np.float32))

    def repeated(self, count: int, *, is_outer: bool) -> "Order":
        """The same where each neuron stands for `count` numbers, as after flattening an image."""
        size = len(self.places)
        if is_outer:
            places = self.places[None, :] + np.arange(count)[:, None] * size
            return Order(places.ravel(), np.tile(self.factors, count))
        places = self.places[:, None] * count + np.arange(count)[None, :]
        return Order(places.ravel(), np.repeat(self.factors, count))


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of the original, and the suspect's weights as they lie in it."""

    tensor: Tensor
    original: Array
    suspect: Array
    cosine: float
    is_realigned: bool


@dataclass(slots=True)
class _Known:
    """The orders that were found so far, by how many neurons they are of; and what is left to
    spend on finding more.
    """

    weights: int
    products: int = _PRODUCTS
    orders: defaultdict[int, list[Order]] = field(default_factory=lambda: defaultdict(list))

    def may_read(self, held: Held) -> bool:
        """Whether there is anything left for another look."""
        self.weights -= prod(held.tensor.shape)
        return self.weights >= 0

    def may_multiply(self, array: Array, axis: int) -> bool:
        self.products -= array.size * array.shape[axis]
        return self.products >= 0

    def add(self, order: Order) -> None:
        self.orders[len(order.places)][_MOST_KNOWN:] = []
        self.orders[len(order.places)].insert(0, order)

    def of(self, size: int) -> Iterator[Order | None]:
        """As it is; then every order of as many, or of a part as many."""
        yield None
        yield from self.orders[size]
        for part, orders in list(self.orders.items()):
            if part < size and size % part == 0:
                for order in orders:
                    yield order.repeated(size // part, is_outer=True)
                    yield order.repeated(size // part, is_outer=False)


def pairs(suspect: Mapping[str, Held], original: Mapping[str, Held]) -> Iterator[Pair]:
    """The original's tensors, in its order, for which the suspect has one."""
    left: defaultdict[tuple[int, ...], dict[str, Held]] = defaultdict(dict)
    for name, held in suspect.items():
        left[tuple(sorted(held.tensor.shape))][name] = held
    known = _Known(_READ_AGAIN * count([one.tensor for one in original.values()]))
    for name, held in original.items():
        others = left[tuple(sorted(held.tensor.shape))]
        if not others:
            continue
        array = plain(held)
        chosen, pair = _best(held.tensor, array, _by_likelihood(name, others), known)
        if pair is not None:
            del others[chosen]
            yield pair


def cosine(one: Array, other: Array) -> float:
    """1 where they are the same but for one factor."""
    a, b = one.ravel(), other.ravel()
    size = float(np.sqrt(float(np.dot(a, a)) * float(np.dot(b, b))))
    return float(np.dot(a, b)) / size if size > 0 else 0.0


def _sample(array: Array) -> Array:
    """Some of a large array, spread over all of it: enough to see whether it is alike."""
    step = max(1, round((array.size / _SAMPLE) ** (1 / array.ndim)))
    return array[(slice(None, None, step),) * array.ndim]


def _by_likelihood(name: str, others: Mapping[str, Held]) -> list[tuple[str, Held]]:
    """What has the same name comes first."""
    return sorted(others.items(), key=lambda one: (one[0] != name, not one[0].startswith(name)))


def _best(
    tensor: Tensor, original: Array, others: Sequence[tuple[str, Held]], known: _Known
) -> tuple[str, Pair | None]:
    """The first that is clearly alike; else the one that is most so."""
    best: tuple[float, str, Array] = (-2.0, "", original)
    for name, held in others:
        if best[1] and not known.may_read(held):
            break
        for turned in _turned(plain(held), tensor.shape):
            alike = cosine(_sample(original), _sample(turned))
            if alike > best[0]:
                best = alike, name, turned
        if best[0] >= ALIKE:
            return best[1], _pair(tensor, original, best[2], is_realigned=False)
    return _reordered(tensor, original, others, known)


def _reordered(
    tensor: Tensor, original: Array, others: Sequence[tuple[str, Held]], known: _Known
) -> tuple[str, Pair | None]:
    best: tuple[float, str, Array, list[Order]] = (-2.0, others[0][0], original, [])
    for name, held in others:
        if not known.may_read(held):
            break
        for turned in _turned(plain(held), tensor.shape):
            alike, moved, found = _put_back(original, turned, known)
            if alike > best[0]:
                best = alike, name, moved, found
    alike, name, moved, found = best
    if alike < ALIKE:
        found = []
        moved = next(_turned(plain(dict(others)[name]), tensor.shape), original)
    for order in found:
        known.add(order.inverse())
    return name, _pair(tensor, original, moved, is_realigned=bool(found) or alike >= ALIKE)


def _put_back(original: Array, turned: Array, known: _Known) -> tuple[float, Array, list[Order]]:
    """The best of: an order that is known on one axis, a new one found on another, or both."""
    best: tuple[float, Array, list[Order]] = (-2.0, turned, [])
    axes = [axis for axis, size in enumerate(original.shape) if 1 < size <= _WIDEST]
    for given in axes:
        for order in known.of(original.shape[given]):
            moved = turned if order is None else _moved(turned, order, given)
            alike = cosine(original, moved)
            if alike > best[0]:
                best = alike, moved, []
            for axis in axes:
                is_open = axis != given and best[0] < ALIKE
                if is_open and known.may_multiply(original, axis):
                    found = _order(original, moved, axis)
                    again = _moved(moved, found, axis)
                    alike = cosine(original, again)
                    if alike > best[0]:
                        best = alike, again, [found]
            if best[0] >= ALIKE:
                return best
    return best


def _order(original: Array, moved: Array, axis: int) -> Order:
    """For each of the original's neurons the suspect's with the highest cosine, and its factor.

    A factor may be negative: of an odd activation (tanh), neurons can be negated on both sides.
    """
    ours, theirs = rows(original, axis), rows(moved, axis)
    products = ours @ theirs.T
    mine = np.sqrt(np.einsum("ij,ij->i", ours, ours))
    other = np.einsum("ij,ij->i", theirs, theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = np.abs(products / mine[:, None] / np.sqrt(other)[None, :])
    places = _one_to_one(np.nan_to_num(cosines))
    across = products[np.arange(len(places)), places]
    factors = across / np.where(other[places] > 0, other[places], 1)
    return Order(places, np.where(np.abs(factors) > _LEAST, factors, 1).astype(np.float32))


def _one_to_one(cosines: Array) -> NDArray[np.intp]:
    """Those that are surest choose first; who finds its own taken gets one of those left."""
    places: NDArray[np.intp] = cosines.argmax(axis=1)
    sure = np.argsort(-cosines.max(axis=1), kind="stable")
    taken = np.zeros(cosines.shape[1], bool)
    late = []
    for row in sure:
        if taken[places[row]]:
            late.append(row)
        else:
            taken[places[row]] = True
    for row in late:
        free = np.flatnonzero(~taken)
        places[row] = free[cosines[row, free].argmax()]
        taken[places[row]] = True
    return places


def _pair(tensor: Tensor, original: Array, suspect: Array, *, is_realigned: bool) -> Pair:
    again = rescaled(original, suspect)
    return Pair(tensor, original, again, cosine(original, again), is_realigned)


def _moved(array: Array, order: Order, axis: int) -> Array:
    along = [-1 if at == axis else 1 for at in range(array.ndim)]
    return array.take(order.places, axis=axis) * order.factors.reshape(along)


def _turned(array: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Every order of the axes that gives `shape`; as it is comes first."""
    orders = itertools.permutations(range(array.ndim))
    fitting = (axes for axes in orders if tuple(array.shape[axis] for axis in axes) == shape)
    for axes in itertools.islice(fitting, _MOST_SHAPES):
        yield array.transpose(axes)


def plain(held: Held) -> Array:
    """The tensor as float32, with zeros for what is not finite and no number beyond reason."""
    with np.errstate(over="ignore"):
        array = np.asarray(held.load()).astype(np.float32, copy=False)
    return outliers.bounded(array.reshape(held.tensor.shape))


def is_comparable(suspect: Sequence[Tensor], original: Sequence[Tensor]) -> bool:
    """Whether any tensor has the sizes of one of the original's."""
    ours = {tuple(sorted(one.shape)) for one in original}
    return any(tuple(sorted(one.shape)) in ours for one in suspect)


def count(tensors: Sequence[Tensor]) -> int:
    """How many weights."""
    return sum(prod(one.shape) for one in tensors)
