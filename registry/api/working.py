"""What works beside the requests, in every process: started and stopped with the application."""

import asyncio
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request

from registry.api.checkers import checkers
from registry.api.couriers import Couriers
from registry.api.keeper import Keeper
from registry.api.optimiser import optimisers
from registry.api.recorder import Recorder
from registry.api.renewer import Renewer
from registry.api.stopping import Stopping
from registry.usecases.pacing import Pace
from registry.usecases.readiness import Readiness
from registry.usecases.watching import LogWatch

if TYPE_CHECKING:
    from registry.spans import Exporter

# So many streams may read the database at a time: requests have threads left.
_READERS = 4


class Working:
    """Kept on the application's state, where routes find its parts."""

    def __init__(self, app: FastAPI, exporter: "Exporter | None") -> None:
        registry, metrics = app.state.registry, app.state.metrics
        self.exporter = exporter
        self.watch = LogWatch(registry)
        self.couriers = Couriers(registry, self.watch, metrics.attempted)
        self.checkers = checkers(registry)
        self.optimisers = optimisers(registry)
        self.keeper = Keeper(registry)
        self.recorder = Recorder(registry)
        self.renewer = Renewer(registry.database)
        self.readiness = Readiness(
            registry,
            {
                "log watch": self.watch.is_alive,
                "couriers": self.couriers.is_alive,
                "checkers": self.checkers.is_alive,
                "optimisers": self.optimisers.is_alive,
                "keeper": self.keeper.is_alive,
                "recorder": self.recorder.is_alive,
                "renewer": self.renewer.is_alive,
            },
        )
        app.state.working = self
        app.state.stopping = Stopping()
        app.state.watch = self.watch
        app.state.refusals = self.recorder.refusals
        app.state.failures = Pace(registry.settings.access.failures_per_minute)
        app.state.pace = Pace(registry.settings.access.requests_per_minute)
        app.state.checkers = self.checkers
        app.state.optimisers = self.optimisers
        app.state.readiness = self.readiness
        streams: set[Request] = set()
        app.state.streams = streams
        app.state.readers = asyncio.Semaphore(_READERS)

    def start(self) -> None:
        self.watch.start()
        self.couriers.start()
        self.checkers.start()
        self.optimisers.start()
        self.keeper.start()
        self.recorder.start()
        self.renewer.start()

    def stop(self) -> None:
        """Leases are given back, and spans that wait are sent, before this returns."""
        self.renewer.stop()
        self.keeper.stop()
        self.recorder.stop()
        self.checkers.stop()
        self.optimisers.stop()
        self.couriers.stop()
        self.watch.stop()
        self.readiness.close()
        if self.exporter is not None:
            self.exporter.close()
