"""Threads that deliver to webhooks, in every process of the registry.

One thread looks for what is due and gives each webhook to a lane of its own: a receiver that is
slow holds up its own events and nobody else's, as long as there are lanes.
"""

import secrets
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime

import structlog

from registry import errors
from registry.core.attempts import Dead, Step, Unwanted
from registry.usecases import agendas
from registry.usecases.agendas import Due
from registry.usecases.delivery import Courier
from registry.usecases.opening import Registry
from registry.usecases.sending import Sender
from registry.usecases.watching import LogWatch

_LOG = structlog.get_logger("registry.webhooks")
_LANES = 16
_LOOK_EVERY = 5.0
_LAST_CALL = 2.0


class Couriers:
    """`told` hears of every attempt's end."""

    def __init__(
        self, registry: Registry, watch: LogWatch, told: Callable[[Step], None] = lambda _: None
    ) -> None:
        self._registry = registry
        self._watch = watch
        self._told = told
        self._is_over = threading.Event()
        self._woken = threading.Event()
        self._sender = Sender(registry.settings.sending)
        self._owner = secrets.token_hex(8)
        self._courier = Courier(
            registry, self._owner, self._sender, self._hear, self._is_over.is_set
        )
        self._busy: set[str] = set()
        # How far each webhook, in this form of it, was looked through without a hit.
        self._seen: dict[str, tuple[datetime, int]] = {}
        self._lanes = ThreadPoolExecutor(_LANES, thread_name_prefix="courier")
        self._thread = threading.Thread(target=self._run, name="couriers", daemon=True)
        self._listening = ExitStack()

    def start(self) -> None:
        self._listening.enter_context(self._watch.listening(self._woken.set))
        self._thread.start()

    def stop(self) -> None:
        """What is being sent gets a moment to end; then the leases are given back."""
        self._is_over.set()
        self._woken.set()
        self._listening.close()
        self._thread.join()
        last_call = threading.Timer(_LAST_CALL, self._sender.abort)
        last_call.start()
        self._lanes.shutdown(cancel_futures=True)
        last_call.cancel()
        last_call.join()
        # Where the database is away the leases end by themselves.
        with suppress(errors.PlimsollError):
            self._courier.let_go()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._woken.clear()
            self._woken.wait(self._dispatch())

    def _dispatch(self) -> float:
        """Start a lane for each webhook that is due; returns how long to rest."""
        try:
            agenda = agendas.agenda(self._registry, self._owner)
        except errors.PlimsollError as error:
            _LOG.warning("deliveries put off", code=error.code, detail=error.detail)
            return _LOOK_EVERY
        for one in agenda.due:
            if one.id not in self._busy and max(one.cursor, self._start(one)) < agenda.size:
                self._busy.add(one.id)
                self._lanes.submit(self._deliver, one)
        return _LOOK_EVERY if agenda.rest is None else min(agenda.rest + 0.01, _LOOK_EVERY)

    def _start(self, one: Due) -> int:
        changed, position = self._seen.get(one.id, (one.changed, 0))
        return position if changed == one.changed else 0

    def _deliver(self, one: Due) -> None:
        try:
            self._seen[one.id] = (one.changed, self._courier.deliver(one.id, self._start(one)))
        except errors.PlimsollError as error:
            _LOG.warning("delivery put off", webhook=one.id, code=error.code, detail=error.detail)
            self._is_over.wait(_LOOK_EVERY)
        except Exception:  # noqa: BLE001  whatever it is, it shall hold up this webhook alone
            # The plain traceback: a pretty one would show the values of variables.
            _LOG.error("delivery broke off", webhook=one.id, traceback=traceback.format_exc())
            self._is_over.wait(_LOOK_EVERY)
        finally:
            self._busy.discard(one.id)
            self._woken.set()

    def _hear(self, step: Step) -> None:
        if isinstance(step, Dead | Unwanted):
            _LOG.warning("webhook failed", outcome=type(step).__name__.lower(), reason=step.reason)
        self._told(step)
