"""What a host has, what may be taken of it, and what is: as numbers, and as bars for SVG.

A report is read with care. What is missing in it is shown as not known, never as nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.core import fields, host_report
from registry.core.canonical import Json
from registry.pages import views
from registry.pages.deployed import Version
from registry.pages.views import Moment
from registry.pages.wording import phrase
from registry.usecases.host_reports import Known

# From this part of a limit on it is said to be near.
_NEAR = 0.9
_WIDE = 1000.0


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes of `memory`, or `cpus` in cores: what is held, what may be, what there is, and how much
    of that is for models as Git declares it. None is not known."""

    of: str
    held: float | None
    limit: float | None
    there: float | None
    for_models: float | None = None

    @property
    def most(self) -> float | None:
        """What bounds it first."""
        known = [one for one in (self.for_models, self.there) if one is not None]
        return min(known) if known else None

    @property
    def note(self) -> str:
        """What somebody should know of it; mostly nothing."""
        most = self.most
        if self.held is not None and most and self.held >= _NEAR * most:
            return phrase("nearly all is taken")
        if self.limit is not None and most and self.limit > most:
            return phrase("more may be taken than there is")
        return ""


@dataclass(frozen=True, slots=True)
class Bar:
    """Of a line that is 1000 wide: what is held, what may be, and where there is no more."""

    held: float
    limit: float
    most: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance there, and how near it is to its limits."""

    name: str
    environment: str
    deployment: str
    version: Version
    amounts: tuple[Amount, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Resources:
    """As they were told `seen`; `unknown` says why something is not known."""

    seen: Moment
    amounts: tuple[Amount, ...]
    instances: tuple[Instance, ...]
    unknown: str
    is_shared: bool


_FIELDS = (("memory", "memoryBytes", "memoryLimit"), ("cpus", "cpus", "cpuLimit"))


def resources(known: Known | None, now: datetime) -> Resources | None:
    """None where nothing was told lately."""
    if known is None:
        return None
    document = dict(known.document)
    declared = views.mapping(document.get("declared"))
    return Resources(
        seen=views.moment(known.at, now),
        amounts=tuple(
            Amount(
                of,
                host_report.total(document, held),
                host_report.total(document, limit),
                fields.finite(document.get(held)),
                fields.finite(declared.get(held)),
            )
            for of, held, limit in _FIELDS
        ),
        instances=tuple(map(_instance, views.mappings(document.get("instances")))),
        unknown=views.text(document, "unknown"),
        is_shared=bool(views.mapping(document.get("together"))),
    )


def bars(found: Resources | None) -> dict[str, Bar]:
    """What is drawn of them, by what it is of; nothing of what nobody knows the whole of."""
    if found is None:
        return {}
    return {one.of: bar for one in found.amounts if (bar := _bar(one)) is not None}


def amount(of: str, value: float | None) -> str:
    """For people: 412.0 MiB, 1.5 cores."""
    if value is None:
        return phrase("not known")
    if of == "memory":
        return views.size(int(value))
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    if shown == "1":
        return phrase("1 core")
    return phrase("%(count)s cores", count=shown)


def _bar(one: Amount) -> Bar | None:
    if not one.there:
        return None
    scale = _WIDE / max(one.there, one.limit or 0, one.held or 0)
    return Bar(
        round((one.held or 0) * scale, 1),
        round((one.limit or 0) * scale, 1),
        round((one.most or one.there) * scale, 1),
    )


def _instance(said: Mapping[str, Json]) -> Instance:
    item = dict(said)
    environment, _, name = views.text(item, "deployment").partition("/")
    number = item.get("version")
    amounts = tuple(
        Amount(of, fields.finite(item.get(held)), fields.finite(item.get(limit)), None)
        for of, held, limit in _FIELDS
    )
    memory = amounts[0]
    is_near = memory.held is not None and memory.limit and memory.held >= _NEAR * memory.limit
    return Instance(
        name=views.text(item, "name"),
        environment=environment,
        deployment=name,
        version=Version(views.text(item, "model"), number if isinstance(number, int) else 0),
        amounts=amounts,
        note=phrase("near its limit of memory") if is_near else "",
    )
