"""The last lines that a deployment's instances wrote, by host, where somebody wished them here.

They are a stranger's text: a page shows them as text and nothing else, whoever told them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core import host_report
from registry.pages import views
from registry.pages.views import Moment
from registry.usecases.host_reports import Lines, Logs

# All lines of one page together.
_SHOWN = 256 << 10


@dataclass(frozen=True, slots=True)
class Written:
    """Of one instance; `is_cut` where it told more than is shown."""

    host: str
    instance: str
    model: str
    version: int
    told: Moment
    lines: tuple[str, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class LastLines:
    """`kept` are hosts that keep their lines, `silent` those of which nothing was told lately."""

    written: tuple[Written, ...]
    kept: tuple[str, ...]
    silent: tuple[str, ...]


def last_lines(found: Logs, hosts: Sequence[str], now: datetime) -> LastLines:
    """What is known of `hosts`, in their order; of many instances fewer lines each."""
    most = _SHOWN // max(len(found.written), 1)
    place = {host: number for number, host in enumerate(hosts)}
    return LastLines(
        tuple(
            _written(one, most, now)
            for one in sorted(found.written, key=lambda one: place.get(one.host, 0))
        ),
        tuple(host for host in hosts if found.told.get(host) == 0),
        tuple(host for host in hosts if host not in found.told),
    )


def _written(one: Lines, most: int, now: datetime) -> Written:
    kept: list[str] = []
    for line in reversed(one.lines):
        most -= host_report.size(line)
        if most < 0:
            break
        kept.append(_plain(line))
    return Written(
        one.host,
        one.instance,
        one.model,
        one.version,
        views.moment(one.at, now),
        tuple(reversed(kept)),
        is_cut=len(kept) < len(one.lines),
    )


def _plain(line: str) -> str:
    """Without what steers a terminal, or turns the direction of what is read."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in line)
