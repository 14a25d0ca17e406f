"""What a reconciler costs with 1,000 and 10,000 deployments: what follows the change, and what the
fleet. Each size is measured in a process of its own, by `bench.reconciling`."""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Bar, Row, under

_AREA = "planning"
_SIZES = (1000, 10_000)
_HOSTS_PER_DEPLOYMENT = 10


@dataclass(frozen=True, slots=True)
class _Figure:
    """One row; `scale` makes its unit of what was measured. The bar is for the largest fleet."""

    name: str
    measured: str
    unit: str = "ms"
    scale: float = 1000.0
    bar: Bar | None = None


_FIGURES = (
    _Figure("one commit, one deployment changed: plan, CPU", "plan", bar=under(200)),
    _Figure("of these, planned anew", "planned anew", "deployments", 1),
    _Figure("one container dies: plan, CPU", "plan after a death"),
    _Figure("and its status, CPU", "statuses after a death"),
    _Figure("an effect remembered on disk, CPU", "remembering an effect"),
    _Figure("reading a commit that changed one file, CPU", "reading a commit"),
    _Figure("all statuses at a new commit, in turns of half a second, CPU",
            "all statuses at a new commit", "s", 1),
    _Figure("the whole plan afresh, CPU", "whole plan", "s", 1),
    _Figure("every host of 50 looked at and planned, wall", "first look and plan, wall", "s", 1,
            under(5)),
    _Figure("first reading of the repository, CPU", "first reading", "s", 1),
    _Figure("nothing happens: CPU, of a core", "idle, % of a core", "%", 1),
    _Figure("nothing happens: hosts looked at", "idle, looks a second", "a second", 1),
    _Figure("most memory, the hosts' stand-ins included", "memory, MiB", "MiB", 1, under(500)),
)  # fmt: skip


def rows(folder: Path) -> Generator[Row, None, None]:
    """Each figure for both sizes, one below the other."""
    found = {count: _measured(count, folder / str(count)) for count in _SIZES}
    for figure in _FIGURES:
        for count, figures in found.items():
            hosts = count // _HOSTS_PER_DEPLOYMENT
            yield Row(
                _AREA,
                f"{figure.name}, {count} deployments on {hosts} hosts",
                figures[figure.measured] * figure.scale,
                figure.unit,
                bar=figure.bar if count == _SIZES[-1] else None,
            )


def _measured(count: int, folder: Path) -> Mapping[str, float]:
    folder.mkdir()
    command = [sys.executable, "-m", "bench.reconciling", str(count), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found
