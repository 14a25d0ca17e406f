"""What is remembered of a rollout's hooks, its JSON form, and the action that calls one."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason
from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WHAT = "hook of a rollout"
_KEPT = 50


@dataclass(frozen=True, slots=True)
class HookRun:
    """One hook of one rollout, from its first call on: all its calls say the same.

    `commit` and `reason` are those of the first call. Times are seconds since the epoch. Once the
    rollout `has_begun`, what was said of it is about that one alone.
    """

    phase: str
    name: str
    revision: str
    commit: str
    reason: str
    first_at: float
    last_at: float
    tries: int = 0
    is_done: bool = False
    detail: str = ""
    has_begun: bool = False

    def is_same(self, other: "HookRun") -> bool:
        """Whether both are calls of one event."""
        return self.about == other.about

    @property
    def about(self) -> tuple[str, str, str, float]:
        """What makes it one event."""
        return self.phase, self.name, self.revision, self.first_at


@dataclass(frozen=True, slots=True)
class Call:
    """Post the event of `run` to `url`, unless it has answered yes; `spec` is what is asked for."""

    verb: ClassVar[str] = "call"
    spec: InstanceSpec
    url: str
    timeout_s: int
    run: HookRun
    reason: Reason

    @property
    def id(self) -> str:
        """The same for every call of one event, and for no other."""
        run = self.run
        parts = self.spec.deployment, run.revision, run.phase, run.name, repr(run.first_at)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def event(call: Call) -> dict[str, Json]:
    """The CloudEvent that is posted: byte for byte the same each time."""
    spec, run = call.spec, call.run
    environment, _, name = spec.deployment.partition("/")
    return {
        "specversion": "1.0",
        "id": call.id,
        "source": "plimsoll/reconciler",
        "type": f"dev.plimsoll.rollout.{run.phase.lower()}.v1",
        "time": datetime.fromtimestamp(run.first_at, UTC).isoformat(),
        "subject": spec.deployment,
        "datacontenttype": "application/json",
        "data": {
            "hook": run.name,
            "environment": environment,
            "deployment": name,
            "model": spec.model,
            "version": spec.version,
            "digest": spec.digest,
            "commit": run.commit,
            "reason": run.reason,
        },
    }


def begun(runs: tuple[HookRun, ...], call: Call) -> tuple[HookRun, ...]:
    """Before a call: from now on the event is what it is."""
    if any(run.is_same(call.run) for run in runs):
        return runs
    return (*runs, call.run)[-_KEPT:]


def ended(runs: tuple[HookRun, ...], call: Call, trouble: str, now: float) -> tuple[HookRun, ...]:
    """After a call; without `trouble` the answer was yes."""
    return tuple(_after(run, trouble, now) if run.is_same(call.run) else run for run in runs)


def started(runs: tuple[HookRun, ...], revision: str) -> tuple[HookRun, ...]:
    """Once a host has begun with the rollout of `revision`."""
    return tuple(
        replace(run, has_begun=True) if run.phase == "preSync" and run.revision == revision else run
        for run in runs
    )


def left(runs: tuple[HookRun, ...]) -> tuple[HookRun, ...]:
    """Once Git asks for something else: what was said of a rollout that did not begin may count."""
    return tuple(run for run in runs if not run.has_begun)


def over(runs: tuple[HookRun, ...]) -> tuple[HookRun, ...]:
    """Once a rollout has ended: what was said to it is not said to the next one."""
    return tuple(run for run in runs if run.phase == "syncFail")


def document(runs: Iterable[HookRun]) -> list[Json]:
    """What `read` reads."""
    return [asdict(run) for run in runs]


def read(sources: Iterable[Mapping[str, Json]]) -> tuple[HookRun, ...]:
    """What `document` wrote; raises `InvalidInput`."""
    return tuple(_read(dict(source)) for source in sources)


def _after(run: HookRun, trouble: str, now: float) -> HookRun:
    if not trouble:
        return replace(run, is_done=True, last_at=now, detail="")
    return replace(run, tries=run.tries + 1, last_at=now, detail=trouble)


def _read(source: dict[str, Json]) -> HookRun:
    texts = ("phase", "name", "revision", "commit", "reason", "detail")
    return HookRun(
        first_at=_number(source.get("first_at")),
        last_at=_number(source.get("last_at")),
        tries=fields.integer(source, "tries", what=_WHAT),
        is_done=source.get("is_done") is True,
        has_begun=source.get("has_begun") is True,
        **{name: fields.text(source, name, what=_WHAT) for name in texts},
    )


def _number(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{_WHAT}: expected a number, found {type(value).__name__}")
    return float(value)
