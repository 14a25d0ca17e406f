"""What a set makes deployments for: the elements of its generators, in order. Pure.

An element is parameters with their values. Each value remembers the row of a list that it was
written in, if it was, so that a version can be changed where it stands.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.core.kinds import Host
from reconciler.core.kinds.deployment_set import Environments, Generator, Hosts, Merge, Plain, Row
from reconciler.core.projects import globs
from registry.core import canonical
from registry.errors import InvalidInput

Scalar: TypeAlias = bool | int | float | str

MOST = 10_000
_MOST_TOLD = 6
_LONGEST_TOLD = 60


@dataclass(frozen=True, slots=True)
class Element:
    """`rows` has, by parameter, the row that its value was written in."""

    values: Mapping[str, Scalar]
    rows: Mapping[str, Row]

    @property
    def key(self) -> str:
        """The same for the same values, and for no others: 1, 1.0, true and "1" differ."""
        return repr(sorted(self.values.items()))

    def __str__(self) -> str:
        told = [f"{name}={str(value)[:_LONGEST_TOLD]}" for name, value in self.values.items()]
        more = ", ..." if len(told) > _MOST_TOLD else ""
        return ", ".join(told[:_MOST_TOLD]) + more


@dataclass(frozen=True, slots=True)
class Around:
    """What generators look at: the good hosts, and the environments that have files."""

    hosts: Mapping[str, Host]
    environments: Sequence[str]


def looks_at_hosts(generators: Iterable[Generator]) -> bool:
    """Whether another host may be another element."""
    return any(plain.hosts is not None for plain in _plain(generators))


def looks_at_environments(generators: Iterable[Generator]) -> bool:
    """Whether another environment may be another element."""
    return any(plain.environments is not None for plain in _plain(generators))


def of(generator: Generator, around: Around) -> list[Element]:
    """The elements of one generator; raises `InvalidInput`."""
    if generator.matrix is not None:
        return _matrix(generator.matrix.generators, around)
    if generator.merge is not None:
        return _merge(generator.merge, around)
    return _few(_simple(generator, around))


def _plain(generators: Iterable[Generator]) -> Iterator[Plain]:
    for generator in generators:
        yield generator
        for combined in (generator.matrix, generator.merge):
            if combined is not None:
                yield from combined.generators


def _simple(generator: Plain, around: Around) -> Iterator[Element]:
    if generator.list_ is not None:
        for row in generator.list_.elements:
            yield Element(row, dict.fromkeys(row, row))
    if generator.hosts is not None:
        yield from _hosts(generator.hosts, around)
    if generator.environments is not None:
        for name in _environments(generator.environments, around):
            yield Element({"environment": name}, {})


def _hosts(wanted: Hosts, around: Around) -> Iterator[Element]:
    for name, host in sorted(around.hosts.items()):
        labels = host.metadata.labels
        if wanted.match_labels.items() <= labels.items() and all(
            demand.holds(labels) for demand in wanted.match_expressions
        ):
            told = {f"host.labels.{key}": value for key, value in sorted(labels.items())}
            yield Element({"host": name, **told}, {})


def _environments(wanted: Environments, around: Around) -> list[str]:
    """A name without wildcards is meant whether it has a file by now or not."""
    plain = {name for name in wanted.names if not set(name) & set("*?")}
    known = {name for name in around.environments if globs.any_fits(wanted.names, name)}
    return sorted(plain | known)


def _matrix(generators: Sequence[Plain], around: Around) -> list[Element]:
    factors = [_few(_simple(one, around)) for one in generators]
    return _few(_together(each) for each in itertools.product(*factors))


def _together(elements: Sequence[Element]) -> Element:
    values: dict[str, Scalar] = {}
    rows: dict[str, Row] = {}
    for element in elements:
        for name in sorted(element.values.keys() & values.keys()):
            if values[name] != element.values[name]:
                raise InvalidInput(
                    f"two generators give {name}, and differ: {values[name]} and "
                    f"{element.values[name]}",
                    fix="give one of them another name, or merge them by mergeKeys",
                )
        values |= element.values
        rows |= element.rows
    return Element(values, rows)


def _merge(merge: Merge, around: Around) -> list[Element]:
    first, *others = [_few(_simple(one, around)) for one in merge.generators]
    found = _by_keys(merge.merge_keys, first)
    for more in others:
        for key, element in _by_keys(merge.merge_keys, more).items():
            if (known := found.get(key)) is not None:
                found[key] = Element(
                    {**known.values, **element.values}, {**known.rows, **element.rows}
                )
    return list(found.values())


def _by_keys(keys: Sequence[str], elements: Iterable[Element]) -> dict[bytes, Element]:
    found: dict[bytes, Element] = {}
    for element in elements:
        missing = [key for key in keys if key not in element.values]
        if missing:
            raise InvalidInput(
                f"the element {element} has no {missing[0]} to be merged by",
                fix="give every element all of mergeKeys",
            )
        key = canonical.encode([str(element.values[name]) for name in keys])
        if key in found:
            raise InvalidInput(
                f"two elements of one generator are alike in all of mergeKeys: {element}",
                fix="remove one of them, or add a key in which they differ",
            )
        found[key] = element
    return found


def _few(elements: Iterable[Element]) -> list[Element]:
    found = list(itertools.islice(elements, MOST + 1))
    if len(found) > MOST:
        raise InvalidInput(f"a set makes at most {MOST} deployments", fix="split it")
    return found
