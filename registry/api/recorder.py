"""Enters refusals into the log, at most once a minute."""

from registry.api.rounds import Rounds
from registry.usecases.opening import Registry
from registry.usecases.refusals import Refusals

_EVERY_S = 60.0


class Recorder(Rounds):
    """What was counted when the process stops is entered before it ends."""

    def __init__(self, registry: Registry, *, every: float = _EVERY_S) -> None:
        super().__init__("recorder", self._record, lambda: every)
        self.refusals = Refusals()
        self._registry = registry

    def stop(self) -> None:
        super().stop()
        if not self.is_alive():
            self.round()

    def _record(self) -> None:
        self.refusals.record(self._registry)
