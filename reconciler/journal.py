"""Writes what the reconciler does into the registry's log.

An intent to change something must be in the log before the change (`require`): when the log
cannot be written, or is not the log seen before, the change does not happen. An outcome is put
on disk first (`record`) and delivered as soon as the registry answers, once, whatever crashes
in between. Of what is done to a host the outcome is on disk before it is done (`outcome`), and is
told once a look shows it (`settle`), should nobody have lived to tell. What is told once for a key
has the same id for ever, so a restart tells nothing twice. After each delivery the witness
remembers the log's new end.
"""

import hashlib
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

import structlog

from reconciler import client, state, witness
from reconciler.core import pledged
from reconciler.core.observed import HostState, InstanceSpec, Route
from reconciler.engines import ingress
from registry import errors
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.entries import Kind

_REASON_LIMIT = 4000

log = structlog.get_logger()


def about(
    spec: InstanceSpec, reason: str, detail: dict[str, Json] | None = None
) -> dict[str, Json]:
    """The fields of an event on `spec`."""
    return {
        "model": spec.model,
        "version": spec.version,
        "digest": spec.digest,
        "host": spec.host,
        "deployment": spec.deployment,
        "commit": spec.commit,
        "reason": reason[:_REASON_LIMIT],
        "detail": detail or {},
    }


class Journal:
    """One per reconciler; safe from several threads, and in order.

    With a `holder` nothing can be announced for a host that this one has no lease on. With a
    `host` it is an agent's: all that it tells is about that one.
    """

    def __init__(
        self,
        registry: client.Registry,
        folder: state.StateFolder,
        seen: witness.Witness,
        holder: str = "",
        host: str = "",
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._witness = seen
        self._holder = holder
        self._host = host
        self._lock = threading.Lock()
        self._told: set[tuple[str, ...]] = set()
        self._said = ""
        # What nobody has told the end of, by name.
        self._left = {name: pledged.read(kept) for name, kept in folder.pledges()}

    def require(self, kind: Kind, fields: dict[str, Json]) -> None:
        """Append now; raises `Unavailable`, `LogForked` and the like when that fails."""
        with self._lock:
            self._deliver()
            self._registry.append(self._event(kind, fields), holder=self._holder)
            self._witness.refresh()

    def record(self, kind: Kind, fields: dict[str, Json]) -> int | None:
        """Append now if the registry answers, and say where; else later."""
        with self._lock:
            self._folder.post(self._event(kind, fields))
            return self._try_to_deliver()

    def require_once(self, key: tuple[str, ...], kind: Kind, fields: dict[str, Json]) -> None:
        """Like `require`, but nothing where the log has an entry under this key already."""
        with self._lock:
            if key in self._told:
                return
            self._deliver()
            self._append(self._event(kind, fields, key))
            self._witness.refresh()
            self._told.add(key)

    def record_once(self, key: tuple[str, ...], kind: Kind, fields: dict[str, Json]) -> int | None:
        """Like `record`, but nothing where the log has an entry under this key already."""
        with self._lock:
            if key in self._told:
                return None
            self._folder.post(self._event(kind, fields, key))
            self._told.add(key)
            return self._try_to_deliver()

    @contextmanager
    def outcome(
        self, kind: Kind, fields: dict[str, Json], *, instance: str, route: Route | None = None
    ) -> Iterator[None]:
        """Record that it is so once what is in the block has done it: `instance` runs, has its part
        of `route`, or is gone."""
        mark = "" if route is None else ingress.mark(route)
        pledge = pledged.Pledge(self._event(kind, fields), instance, mark)
        with self._lock:
            self._left.pop(pledge.name, None)
            self._folder.pledge(pledge.name, pledged.document(pledge))
        try:
            yield
        except BaseException:
            with self._lock:
                self._left[pledge.name] = pledge
            raise
        with self._lock:
            self._tell(pledge)

    def left(self) -> Collection[str]:
        """The names of outcomes that are left open: of what failed, or whoever did it died."""
        with self._lock:
            return list(self._left)

    def settle(self, left: Collection[str], seen: Mapping[str, HostState]) -> list[str]:
        """Tell those of `left` that a look since then shows, and forget the others; names the
        instances that are gone. What was not done the plan does anew."""
        gone = []
        with self._lock:
            for name in left:
                pledge = self._left.get(name)
                if pledge is None or pledge.host not in seen:
                    continue
                state = seen[pledge.host]
                if pledge.is_kept(state, _in_effect(state)):
                    self._tell(pledge)
                    gone += [pledge.instance] if pledge.kind is Kind.REMOVED else []
                self._folder.drop_pledge(name)
                del self._left[name]
        return gone

    def _tell(self, pledge: pledged.Pledge) -> None:
        """Under its own id, so that a crash in here tells it once all the same."""
        self._folder.post(pledge.event)
        self._folder.drop_pledge(pledge.name)
        self._try_to_deliver()

    def flush(self) -> None:
        """Deliver what is still in the outbox, if the registry answers."""
        with self._lock:
            self._try_to_deliver()

    def _try_to_deliver(self) -> int | None:
        try:
            index = self._deliver()
            if index is not None:
                self._witness.refresh()
        except (errors.Unavailable, errors.Unauthenticated, errors.Forbidden):
            return None  # stays in the outbox; the next record, require or flush tries again
        except errors.PlimsollError as error:
            # What was done is done, and hosts are healed all the same; who wants something new
            # is told this very error by `require`.
            if error.detail != self._said:
                log.warning("the log takes nothing", error=error.detail, fix=error.fix)
            self._said = error.detail
            return None
        self._said = ""
        return index

    def _deliver(self) -> int | None:
        """Where the last one stands."""
        index = None
        for name, event in self._folder.pending():
            index = self._append(event)
            self._folder.unpost(name)
        return index

    def _event(
        self, kind: Kind, fields: dict[str, Json], key: tuple[str, ...] = ()
    ) -> dict[str, Json]:
        """What is told once for a `key` has the same id after a restart too."""
        own: dict[str, Json] = {"host": self._host} if self._host else {}
        event_id = _id(key) if key else str(uuid.uuid4())
        return {"id": event_id, "kind": kind.value, **fields, **own}

    def _append(self, event: dict[str, Json]) -> int | None:
        """What was told under this id before is on record, in the words of then."""
        with suppress(errors.Conflict):
            return self._registry.append(event)
        return None


def _in_effect(state: HostState) -> frozenset[str]:
    """The marks of routes; none where the plan has to ask for them again."""
    is_sound = state.ingress_ready and not state.ingress_drift
    return frozenset(map(ingress.mark, state.routes if is_sound else ()))


def _id(key: tuple[str, ...]) -> str:
    """The same for the same key, after a restart too."""
    return f"once-{hashlib.sha256(canonical.encode(list(key))).hexdigest()[:48]}"
