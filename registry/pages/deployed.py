"""Status documents of a reconciler as pages show them: in a row, and whole.

They are read with care: what is missing in them is shown as unknown, never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.core import standing
from registry.core.canonical import Json
from registry.core.standing import SUBJECTS
from registry.db import tables_log
from registry.pages import views
from registry.pages.views import Moment, Status
from registry.pages.wording import known, listed, phrase


@dataclass(frozen=True, slots=True)
class Version:
    """What is asked for, or serves; empty where that is nothing."""

    model: str = ""
    number: int = 0
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.model}@{self.number}" if self.model else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment in a list; `notes` says what is held back, and why."""

    environment: str
    name: str
    wanted: Version
    commit: str
    statuses: tuple[Status, ...]
    hosts: int
    rollout: "Rollout | None"
    notes: tuple[str, ...]
    updated: Moment

    @property
    def reason(self) -> str:
        """The first thing to say of it."""
        worst = sorted(self.statuses, key=lambda one: standing.severity(one.word))
        return next((one.reason for one in worst if one.reason), "") or next(iter(self.notes), "")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a deployment, and what it serves there; `stage` is how far the wanted came."""

    name: str
    serving: Version
    is_wanted: bool
    statuses: tuple[Status, ...]
    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a rollout under way is; `commands` are what a person can do, and its words."""

    strategy: str
    state: str
    step: int
    steps: int
    name: str
    weight: float
    reason: str
    since: Moment | None
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Why:
    """One reason why hosts do not serve what Git asks for; `tone` says how bad that is."""

    tone: str
    title: str
    text: str


def row(found: tables_log.Deployment, now: datetime) -> Row:
    """The line of a list."""
    document = found.document
    hosts = document.get("hosts")
    return Row(
        environment=found.environment,
        name=found.name,
        wanted=version(document.get("desired")),
        commit=views.text(document, "commit"),
        statuses=statuses(document),
        hosts=len(hosts) if isinstance(hosts, list) else 0,
        rollout=rollout(document, now),
        notes=tuple(
            phrase("%(title)s: %(text)s", title=why.title, text=why.text)
            for why in _held_back(document)
        ),
        updated=views.moment(found.updated_at, now),
    )


def statuses(document: dict[str, Json]) -> tuple[Status, ...]:
    """Sync, health and trust, each with its reason."""
    said = standing.of(document)
    return tuple(
        Status(
            subject,
            getattr(said, subject),
            views.tone(getattr(said, subject)),
            views.text(views.mapping(document.get(subject)), "reason"),
        )
        for subject in SUBJECTS
    )


def hosts(document: dict[str, Json]) -> list[Host]:
    """Those that somebody should look at first, then by name."""
    wanted = version(document.get("desired"))
    found = [_host(item, wanted) for item in views.mappings(document.get("hosts"))]
    return sorted(found, key=lambda one: (min(map(_severity, one.statuses), default=3), one.name))


def why_not(document: dict[str, Json]) -> list[Why]:
    """Why what Git asks for does not serve everywhere; empty where it does, or nobody knows."""
    alike: dict[str, list[Status]] = {}
    for one in statuses(document):
        if one.reason and one.tone != "good":
            alike.setdefault(one.reason, []).append(one)
    found = [
        Why(min(some, key=_severity).tone, listed(known(one.word) for one in some), reason)
        for reason, some in alike.items()
    ]
    return list(dict.fromkeys([*found, *_held_back(document)]))


def version(said: Json) -> Version:
    """What a document names by model, version and digest."""
    of = views.mapping(said)
    number = of.get("version")
    if not isinstance(number, int) or not views.text(of, "model"):
        return Version()
    return Version(views.text(of, "model"), number, views.text(of, "digest"))


def rollout(document: dict[str, Json], now: datetime) -> Rollout | None:
    """The one under way, if there is one."""
    said = views.mapping(document.get("rollout"))
    if not said:
        return None
    return Rollout(
        strategy=views.text(said, "strategy"),
        state=views.text(said, "state"),
        step=_number(said, "step"),
        steps=max(_number(said, "steps"), 1),
        name=views.text(said, "name"),
        weight=min(max(_number(said, "weight"), 0), 100),
        reason=views.text(said, "reason"),
        since=at(said.get("since"), now),
        commands=tuple(
            (views.text(one, "does"), views.text(one, "command"))
            for one in views.mappings(said.get("commands"))
        ),
    )


def at(seconds: Json, now: datetime) -> Moment | None:
    """A moment that a document gives in seconds since the epoch."""
    if not isinstance(seconds, int | float) or not 0 <= seconds < 2**33:
        return None
    return views.moment(datetime.fromtimestamp(seconds, UTC), now)


def _host(item: dict[str, Json], wanted: Version) -> Host:
    serving = version(item.get("serving"))
    reasons = dict.fromkeys(
        filter(None, (views.text(item, "reason"), views.text(item, "trustReason")))
    )
    return Host(
        name=views.text(item, "host"),
        serving=serving,
        is_wanted=serving == wanted,
        statuses=tuple(
            Status(subject, word, views.tone(word))
            for subject in SUBJECTS
            if (word := views.text(item, subject))
        ),
        stage=views.text(item, "stage"),
        reason="; ".join(reasons),
    )


def _held_back(document: dict[str, Json]) -> Iterator[Why]:
    refused = views.mapping(views.mapping(document.get("git")).get("refused"))
    if refused:
        reason, fix = views.text(refused, "reason"), views.text(refused, "fix")
        yield Why(
            "bad",
            phrase("the newest commit is refused"),
            phrase("%(reason)s. Fix: %(fix)s", reason=reason, fix=fix) if fix else reason,
        )
    for item in views.mappings(document.get("quarantined")):
        title = phrase("%(version)s is quarantined", version=version(item).name)
        yield Why("bad", title, views.text(item, "reason"))
    pin = views.mapping(document.get("pin"))
    if pin:
        by, reason = views.text(pin, "by"), views.text(pin, "reason")
        said = phrase("by %(name)s: %(reason)s", name=by, reason=reason)
        title = phrase("pinned to version %(number)s", number=pin.get("version"))
        yield Why("warn", title, said)
    for item in views.mappings(document.get("waiting")):
        where = views.text(item, "host")
        title = phrase("%(host)s waits", host=where) if where else phrase("waits")
        yield Why("busy", title, views.text(item, "text"))


def _severity(status: Status) -> int:
    return standing.severity(status.word)


def _number(said: dict[str, Json], name: str) -> int:
    value = said.get(name)
    return int(value) if isinstance(value, int | float) else 0
