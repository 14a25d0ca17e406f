"""Rows and documents as the templates show them: words, tones, short forms, ages.

A status is always an icon, a word and a colour. Documents of a reconciler are read with care:
what is missing in them is shown as unknown, never guessed.
"""

from dataclasses import dataclass
from datetime import datetime

from registry.core.canonical import Json
from registry.db import tables_log
from registry.usecases.catalogue import Logged

_TONES = {
    "Synced": "good",
    "Healthy": "good",
    "Verified": "good",
    "Progressing": "busy",
    "OutOfSync": "busy",
    "Suspended": "quiet",
    "Missing": "warn",
    "Unverified": "warn",
    "Unreachable": "warn",
    "Degraded": "bad",
    "Refused": "bad",
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
class Host:
    """One host of a deployment, and what it serves."""

    name: str
    serving: str
    statuses: tuple[Status, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """`wanted` is model@version as Git asks for it; `notes` says what is held back, and why."""

    environment: str
    name: str
    model: str
    wanted: str
    digest: str
    commit: str
    statuses: tuple[Status, ...]
    hosts: tuple[Host, ...]
    notes: tuple[str, ...]
    updated: Moment

    @property
    def tone(self) -> str:
        """The worst of it, for the card's edge."""
        tones = [status.tone for status in self.statuses]
        if "bad" in tones:
            return "bad"
        return "warn" if self.notes or "warn" in tones else "calm"


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


def deployment(row: tables_log.Deployment, now: datetime) -> Deployment:
    document = row.document
    wanted = _mapping(document.get("desired"))
    return Deployment(
        environment=row.environment,
        name=row.name,
        model=_text(wanted, "model"),
        wanted=_name(wanted) or "no longer in Git",
        digest=_text(wanted, "digest"),
        commit=_text(document, "commit"),
        statuses=tuple(
            _status(subject, _mapping(document.get(subject)))
            for subject in ("sync", "health", "trust")
        ),
        hosts=tuple(_host(item) for item in mappings(document.get("hosts"))),
        notes=_notes(document),
        updated=moment(row.updated_at, now),
    )


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
        place=" on ".join(part for part in (said.deployment, said.host) if part),
        commit=said.commit,
        actor=said.actor,
        reason=said.reason,
    )


def moment(at: datetime, now: datetime) -> Moment:
    seconds = max(0, int((now - at).total_seconds()))
    steps = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    age = next((f"{seconds // unit} {name} ago" for unit, name in steps if seconds >= unit), "now")
    return Moment(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S}", age)


def size(count: int) -> str:
    """Bytes for people: 1.5 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _host(item: dict[str, Json]) -> Host:
    statuses = tuple(
        Status(subject, word, _TONES.get(word, "quiet"))
        for subject in ("sync", "health", "trust")
        if (word := _text(item, subject))
    )
    reasons = dict.fromkeys(filter(None, (_text(item, "reason"), _text(item, "trustReason"))))
    return Host(
        name=_text(item, "host"),
        serving=_name(_mapping(item.get("serving"))) or "nothing",
        statuses=statuses,
        reason="; ".join(reasons),
    )


def _status(subject: str, said: dict[str, Json]) -> Status:
    word = _text(said, "status") or "Unknown"
    return Status(subject, word, _TONES.get(word, "quiet"), _text(said, "reason"))


def _notes(document: dict[str, Json]) -> tuple[str, ...]:
    quarantined = [
        f"{_name(item)} is quarantined: {_text(item, 'reason')}"
        for item in mappings(document.get("quarantined"))
    ]
    waiting = [
        f"waiting on {_text(item, 'host') or 'the fleet'}: {_text(item, 'text')}"
        for item in mappings(document.get("waiting"))
    ]
    return (*quarantined, *waiting)


def _name(of: dict[str, Json]) -> str:
    return f"{of['model']} {of['version']}" if "model" in of and "version" in of else ""


def tensor(item: dict[str, Json]) -> str:
    """A tensor for people: `x: float32[?, 4]`."""
    shape = item.get("shape")
    sizes = (
        ["?" if one is None else str(one) for one in shape] if isinstance(shape, list) else ["…"]
    )
    return f"{_text(item, 'name')}: {_text(item, 'dtype')}[{', '.join(sizes)}]"


def _text(source: dict[str, Json], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def mappings(value: Json) -> list[dict[str, Json]]:
    """The objects in a list, if it is one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
