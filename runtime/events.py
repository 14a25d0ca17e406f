"""Tells the registry what happened here: verified, loaded, refused. Never in serving's way.

A thread posts one event after the other and keeps trying while the registry is away. When more
wait than fit, the new ones are dropped and logged: the log in Git's name is the registry's, this
is the host's own account. An event's id is a hash of what it says, so a repeat changes nothing.

Nobody waits for an event, and what it tells of is seldom over when it is told: a version that was
verified is loaded next, under the requests of the one before it. So the last one that is queued
waits a moment.
"""

import hashlib
import logging
import queue
import threading
import time

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.entries import Kind
from runtime.config import Pin
from runtime.pull import Registry

_WAITING = 256
_CALM_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 30.0
_log = logging.getLogger("plimsoll.runtime")


class Events:
    """One queue, one thread. `occasion` tells one start of a version from the next."""

    def __init__(self, registry: Registry, *, host: str) -> None:
        self._registry = registry
        self._host = host
        self._queue: queue.Queue[dict[str, Json]] = queue.Queue(_WAITING)
        self._hurry = threading.Event()
        threading.Thread(target=self._post_forever, name="events", daemon=True).start()

    def tell(
        self,
        kind: Kind,
        pin: Pin,
        *,
        occasion: str,
        reason: str = "",
        detail: dict[str, Json] | None = None,
    ) -> None:
        """Queue one event; returns at once. Without a registry there is nobody to tell."""
        if not self._registry.url:
            return
        said: dict[str, Json] = {
            "kind": kind,
            "model": pin.model,
            "version": pin.version,
            "digest": pin.digest,
            "host": self._host,
            "deployment": pin.deployment,
            "reason": reason,
            "detail": detail or {},
        }
        named = canonical.encode({**said, "occasion": occasion})
        try:
            self._queue.put_nowait({**said, "id": hashlib.sha256(named).hexdigest()})
        except queue.Full:
            _log.warning("event dropped: too many wait", extra={"event": said})

    def flush(self, *, seconds: float) -> None:
        """Give what is queued a last chance; returns when it is out, or the time is over."""
        self._hurry.set()
        end = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _post_forever(self) -> None:
        while True:
            event = self._queue.get()
            if self._queue.empty():
                self._hurry.wait(_CALM_SECONDS)
            delay = 0.5
            while not self._is_settled(event):
                time.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY_SECONDS)
            self._queue.task_done()

    def _is_settled(self, event: dict[str, Json]) -> bool:
        """Whether the event is recorded, or never will be. An outage or a bad token may pass."""
        try:
            self._registry.post_event(event)
        except (errors.Unavailable, errors.Unauthenticated, OSError) as error:
            _log.info("event waits", extra={"event": event, "reason": str(error)})
            return False
        except errors.PlimsollError as error:
            _log.warning("event refused", extra={"event": event, "reason": error.detail})
        return True
