"""Rows and documents as the templates show them: words, tones, short forms, ages.

A status is always an icon, a word and a colour.
"""

from dataclasses import dataclass
from datetime import datetime

from registry.core import standing
from registry.core.canonical import Json
from registry.core.standing import Severity
from registry.pages.wording import phrase
from registry.usecases.catalogue import Logged

TONES = {
    Severity.BAD: "bad",
    Severity.WARN: "warn",
    Severity.BUSY: "busy",
    Severity.QUIET: "quiet",
    Severity.GOOD: "good",
}
_KIND_TONES = {
    "refused": "bad",
    "quarantined": "bad",
    "rolled_back": "warn",
    "revert_pushed": "warn",
    "revert_proposed": "warn",
    "restarted": "warn",
    "deployed": "good",
    "verified": "good",
    "published": "good",
    "deploying": "busy",
    "starting": "busy",
}


@dataclass(frozen=True, slots=True)
class Status:
    """`subject` is sync, health or trust; `tone` picks icon and colour."""

    subject: str
    word: str
    tone: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, for machines, for people, and as an age."""

    iso: str
    text: str
    age: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    index: int
    kind: str
    tone: str
    at: Moment
    model: str
    version: int
    digest: str
    place: str
    commit: str
    actor: str
    reason: str


def entry(logged: Logged, now: datetime) -> Entry:
    said = logged.entry
    at = datetime.fromisoformat(said.time)
    return Entry(
        index=logged.index,
        kind=said.kind.replace("_", " "),
        tone=_KIND_TONES.get(said.kind, "quiet"),
        at=moment(at, now),
        model=said.model,
        version=said.version,
        digest=said.digest,
        place=_place(said.deployment, said.host),
        commit=said.commit,
        actor=said.actor,
        reason=said.reason,
    )


def _place(deployment: str, host: str) -> str:
    if deployment and host:
        return phrase("%(deployment)s on %(host)s", deployment=deployment, host=host)
    return deployment or host


def tone(word: str) -> str:
    """Which icon and colour a status has."""
    return TONES[standing.severity(word)]


def moment(at: datetime, now: datetime) -> Moment:
    seconds = max(0, int((now - at).total_seconds()))
    return Moment(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S}", _age(seconds))


def _age(seconds: int) -> str:
    if seconds >= 86400:
        return phrase("%(count)d d ago", count=seconds // 86400)
    if seconds >= 3600:
        return phrase("%(count)d h ago", count=seconds // 3600)
    if seconds >= 60:
        return phrase("%(count)d min ago", count=seconds // 60)
    return phrase("%(count)d s ago", count=seconds) if seconds else phrase("now")


def size(count: int) -> str:
    """Bytes for people: 1.5 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def short(digest: str) -> str:
    """The beginning of a digest, without the word before it."""
    return digest.removeprefix("sha256:")[:12]


def tensor(item: dict[str, Json]) -> str:
    """A tensor for people: `x: float32[?, 4]`."""
    shape = item.get("shape")
    sizes = (
        ["?" if one is None else str(one) for one in shape] if isinstance(shape, list) else ["…"]
    )
    return f"{text(item, 'name')}: {text(item, 'dtype')}[{', '.join(sizes)}]"


def text(source: dict[str, Json], name: str) -> str:
    """The text called `name`; empty where there is none."""
    value = source.get(name)
    return value if isinstance(value, str) else ""


def mapping(value: Json) -> dict[str, Json]:
    """`value`, if it is an object; an empty one else."""
    return value if isinstance(value, dict) else {}


def mappings(value: Json) -> list[dict[str, Json]]:
    """The objects in a list, if it is one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
