"""Names of hosts, short: `edge-[01-16,18]`, as administrators of clusters write them. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)")
# Fewer are shorter, and easier to read, one by one.
_FOLDED_FROM = 4


def folded(names: Iterable[str]) -> str:
    """All of `names`, each once; the same for the same names in any order."""
    groups: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    plain: list[str] = []
    for name in sorted(set(names)):
        found = _NUMBERED.fullmatch(name)
        if found is None:
            plain.append(name)
        else:
            groups[found[1], found[3], len(found[2])].append(name)
    for (before, after, width), members in groups.items():
        if len(members) < _FOLDED_FROM:
            plain += members
            continue
        numbers = [int(name[len(before) : len(name) - len(after)]) for name in members]
        runs = ",".join(_run(first, last, width) for first, last in _runs(numbers))
        plain.append(f"{before}[{runs}]{after}")
    return ", ".join(sorted(plain))


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """`numbers`, which rise, as first and last of each run without a gap."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _run(first: int, last: int, width: int) -> str:
    one, other = f"{first:0{width}}", f"{last:0{width}}"
    return one if first == last else f"{one}{',' if last == first + 1 else '-'}{other}"
