"""Writes what the reconciler does into the registry's log.

An intent to change something must be in the log before the change (`require`): when the log
cannot be written, or is not the log seen before, the change does not happen. An outcome is put
on disk first (`record`) and delivered as soon as the registry answers, once, whatever crashes
in between. What is told once for a key has the same id for ever, so a restart tells nothing
twice. After each delivery the witness remembers the log's new end.
"""

import hashlib
import threading
import uuid
from contextlib import suppress

import structlog

from reconciler import client, state, witness
from reconciler.core.observed import InstanceSpec
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
        except errors.IntegrityError as error:
            log.warning("the log is not the one seen before", error=error.detail, fix=error.fix)
            return None
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


def _id(key: tuple[str, ...]) -> str:
    """The same for the same key, after a restart too."""
    return f"once-{hashlib.sha256(canonical.encode(list(key))).hexdigest()[:48]}"
