"""A thread that applies the retention rules and sweeps now and then, where the settings say so."""

import random
import threading
import traceback

import structlog

from registry import errors
from registry.core.identity import Caller, Role
from registry.usecases.opening import Registry

_LOG = structlog.get_logger("registry.keeper")
_BY = Caller(Role.ADMIN, "retention")
_GRACE_S = 10.0


class Keeper:
    """Off where `every_hours` is 0. Several replicas may each have one: they do no harm."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._is_over = threading.Event()
        self._every = registry.settings.retention.every_hours * 3600
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        if self._every:
            self._thread.start()

    def is_alive(self) -> bool:
        return not self._every or self._thread.is_alive()

    def stop(self) -> None:
        """What it was doing is safe to break off anywhere; the next one goes on."""
        self._is_over.set()
        if self._every:
            self._thread.join(_GRACE_S)

    def _run(self) -> None:
        # Not right at the start, and replicas not all at once.
        while not self._is_over.wait(self._every * random.uniform(0.9, 1.1)):  # noqa: S311
            self._keep()

    def _keep(self) -> None:
        # Heavy, and most registries sweep when somebody says so.
        from registry.usecases import retention, sweep  # noqa: PLC0415

        grace = sweep.Grace.of(self._registry.settings.retention.grace_hours)
        try:
            planned = retention.plan(self._registry)
            expired = retention.apply(self._registry, planned, _BY)
            swept = sweep.sweep(self._registry, grace)
        except errors.PlimsollError as error:
            _LOG.warning("sweep put off", code=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001  whatever it is, the next one shall be tried
            _LOG.error("sweep broke off", traceback=traceback.format_exc())
        else:
            _LOG.info(
                "swept",
                expired=len(expired),
                removed=swept.removed.count,
                bytes=swept.removed.size,
                missing=swept.missing.count,
            )
