"""Threads that run the recipes that wait, where the settings say so."""

from registry.api.workers import Workers
from registry.usecases.opening import Registry

_LOOK_EVERY_S = 5.0


def optimisers(registry: Registry) -> Workers:
    """As many as the setting `optimisations` says, none by default.

    A step that is under way at the end dies with this process; the next one begins at that step.
    """

    def run(worker: str) -> bool:
        # Heavy, and most registries never run one.
        from registry.making.optimising import carrying_out  # noqa: PLC0415

        return carrying_out.run_next(registry, worker, made.is_over)

    count = registry.settings.running.optimisations
    made = Workers("optimiser", count, run, rest_s=_LOOK_EVERY_S)
    return made
