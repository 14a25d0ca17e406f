"""An agent's claim on its own host, kept on disk: offline it goes on under the claim that it had.

The registry gives the claim, and it has no end: until the agent lets go, nobody else acts on the
host. A new claim counts only once whoever acted there before must have seen it. Time, too, is
what the registry said last at the earliest: an edge machine may start with its clock at zero.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from reconciler import client, state
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

# A reconciler asks who is its own master every five seconds, and a call takes up to ten.
SETTLE_S = 15.0
_SAVE_EVERY_S = 60.0
_WHAT = state.CLAIM_FILE

log = structlog.get_logger()


class Clock:
    """Seconds since the epoch, never before what the registry's clock said last."""

    def __init__(self, known: float) -> None:
        self._floor = known
        self._at = _uptime()
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return max(time.time(), self._floor + _uptime() - self._at)

    def heard(self, now: float) -> None:
        """The registry says that it is `now`."""
        self._floor, self._at = now, _uptime()
        self.ahead_s = time.time() - now


@dataclass(frozen=True, slots=True)
class Known:
    """What is on disk: the claim's epoch, None without one, whether it counts already, and when
    registry and Git were heard of last, by our clock; 0 for never."""

    epoch: int | None = None
    settled: bool = False
    registry_at: float = 0.0
    git_at: float = 0.0


def read(data: bytes | None) -> Known:
    """What `Claim` saved; nothing at the first start."""
    if data is None:
        return Known()
    told = canonical.decode_object(data, what=_WHAT)
    epoch = told.get("epoch")
    return Known(
        None if epoch is None else fields.integer(told, "epoch", what=_WHAT),
        told.get("settled") is True,
        float(fields.integer(told, "registryAt", what=_WHAT)),
        float(fields.integer(told, "gitAt", what=_WHAT)),
    )


def told(folder: Path) -> Iterator[str]:
    """How the host does, as the agent that owns `folder` left it on disk; one line each."""
    claim, report = folder / state.CLAIM_FILE, folder / state.REPORT_FILE
    if not report.exists():
        raise errors.NotFound(f"no agent has run with {folder}", fix="start it, and see its log")
    known = read(claim.read_bytes() if claim.exists() else None)
    found = canonical.decode_object(report.read_bytes(), what=state.REPORT_FILE)
    yield f"commit    {found.get('commit')}"
    yield f"host      {'is its own' if known.settled else 'is not its own: it acts on nothing'}"
    yield f"registry  {_heard(known.registry_at)}"
    yield f"Git       {_heard(known.git_at)}"
    for name in ("refused", "gitError"):
        if found.get(name):
            yield f"{name}: {found[name]}"
    for key, document in fields.mapping(found, "deployments", what=state.REPORT_FILE).items():
        if isinstance(document, dict):
            three = [document.get(name) for name in ("sync", "health", "trust")]
            said = [str(one.get("status")) for one in three if isinstance(one, dict)]
            yield f"{key}: {', '.join(said)}"


def _heard(at: float) -> str:
    if not at:
        return "was never heard of"
    return f"heard of last at {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


class Claim:
    """The agent's on `host`; safe from several threads."""

    def __init__(
        self, registry: client.Registry, folder: state.StateFolder, *, host: str, holder: str
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._holder = holder
        self._lock = threading.Lock()
        self._known = read(folder.claim())
        self._saved_at = 0.0
        # Once for each trouble: the next try is seconds away.
        self._said = ""
        self.host = host
        # Which look at Git the loss was noticed after; no time says so where clocks are set back.
        self.lost_after = 0.0
        self.clock = Clock(self._known.registry_at)

    @property
    def known(self) -> Known:
        """What is known now."""
        return self._known

    @property
    def is_held(self) -> bool:
        """Whether we may act on the host, as far as we know."""
        return self._known.epoch is not None and self._known.settled

    def require(self) -> None:
        """Raise Conflict unless we may act on the host; asks nobody."""
        if not self.is_held:
            raise errors.Conflict(
                f"{self.host} is not this agent's own",
                fix="nothing: it acts once the registry has said so",
            )

    def tell(self, document: dict[str, Json], *, git_at: float, may_claim: bool) -> None:
        """Tell how the host does, and hear whether it is ours; claim it where `may_claim`."""
        with self._lock:
            known = self._known
            if known.epoch is None and not may_claim:
                return
            try:
                found = self._registry.tell(
                    self.host, document, holder=self._holder, epoch=known.epoch
                )
            except errors.Conflict as error:
                self._lose(error, git_at)
                return
            except errors.PlimsollError as error:
                if self._said != error.code:
                    log.warning("the registry does not hear of this host", error=error.detail)
                self._said = error.code
                self._keep(replace(known, git_at=max(git_at, known.git_at)))
                return
            self._said = ""
            self.clock.heard(found.now.timestamp())
            is_settled = (found.now - found.since).total_seconds() >= SETTLE_S
            self._keep(
                Known(
                    found.epoch,
                    known.settled or is_settled,
                    self.clock(),
                    max(git_at, known.git_at),
                )
            )

    def let_go(self) -> None:
        """The host is not ours: act no more, and let others know. Tried again until it is known."""
        with self._lock:
            if self._known.epoch is None:
                return
            self._keep(replace(self._known, settled=False))
            try:
                self._registry.let_go(self.host, self._holder)
            except errors.PlimsollError as error:
                log.warning("the host is not let go of yet", error=error.detail)
                return
            self._keep(replace(self._known, epoch=None))
            log.info("the host was let go of", host=self.host)

    def _lose(self, error: errors.Conflict, git_at: float) -> None:
        if self._known.epoch is not None:
            log.error("this host is not ours any more", error=error.detail, fix=error.fix)
        elif self._said != error.detail:
            log.warning("this host is not ours", error=error.detail, fix=error.fix)
        self._said = error.detail
        self.lost_after = git_at
        self._keep(replace(self._known, epoch=None, settled=False))

    def _keep(self, known: Known) -> None:
        """Times alone are saved once a minute: memory cards wear out."""
        before, self._known = self._known, known
        is_new = (before.epoch, before.settled) != (known.epoch, known.settled)
        if not is_new and _uptime() < self._saved_at + _SAVE_EVERY_S:
            return
        document: dict[str, Json] = {
            "epoch": known.epoch,
            "settled": known.settled,
            "registryAt": int(known.registry_at),
            "gitAt": int(known.git_at),
        }
        self._folder.save_claim(canonical.encode(document))
        self._saved_at = _uptime()


def _uptime() -> float:
    """Seconds; runs on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
