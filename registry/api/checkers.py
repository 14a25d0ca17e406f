"""Threads that check pending versions, in every process of the registry."""

from registry.api.workers import Workers
from registry.usecases.opening import Registry


def checkers(registry: Registry, count: int = 2) -> Workers:
    """A check that is under way at the end is left to the next process."""

    def settle(worker: str) -> bool:
        # Heavy: loaded here, the registry is ready before.
        from registry.usecases import settling  # noqa: PLC0415

        return settling.settle_next(registry, worker)

    return Workers("checker", count, settle)
