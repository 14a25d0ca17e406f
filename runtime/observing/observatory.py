"""All that watches inferences, behind one observer for each version.

Whatever it costs is bounded: so many sketches a second, so many answers in the ring, such a share
of the requests in log and traces. A defect in here costs the observation, never an answer.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from registry.core.canonical import Json
from registry.errors import Conflict, InvalidConfig, NotFound, PlimsollError
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome
from runtime.observation import Declared, Traces
from runtime.observing.histograms import Histograms, Wanted
from runtime.observing.outcomes import Judged, Outcomes, Said
from runtime.observing.recent import Ring
from runtime.observing.requestlog import Requests, Writer
from runtime.observing.sketches import Sketches
from runtime.table import Slot

if TYPE_CHECKING:
    from runtime.observing.spans import Exporter, Spans

Look: TypeAlias = Callable[[Asked, Outcome], None]
_log = logging.getLogger("plimsoll.runtime")


class Seen:
    """One version's observer, see `runtime.inference.asked.Observer`."""

    def __init__(
        self, declared: Declared, pin: Pin, writer: Writer | None, spans: "Spans | None"
    ) -> None:
        self.pin = pin
        per_second, entries = declared.sketches_per_second, declared.recent
        self._per_second = per_second
        self.sketches = Sketches(per_second) if per_second else None
        self.ring = Ring(entries) if entries else None
        # Once somebody asks.
        self.histograms: Histograms | None = None
        self.outcomes: Outcomes | None = None
        self._requests = None if writer is None else Requests(writer, pin)
        self._spans = spans
        self._is_broken = False
        self._looks: tuple[Look, ...] = ()
        if self.sketches is not None:
            self._looks += (self.sketches.look,)
        if self.ring is not None:
            self._looks += (self.ring.keep,)
        if self._requests is not None:
            self._looks += (self._requests.answered,)
        if spans is not None:
            self._looks += (spans.answered,)

    def histogram(self, wanted: Wanted, *, seconds: float) -> dict[str, Json]:
        """Count this from now on."""
        if self.histograms is None:
            self.histograms = Histograms(self._per_second)
            self._looks += (self.histograms.look,)
        return self.histograms.counted(wanted, seconds)

    def judged(self, judged: Judged, *, seconds: float) -> dict[str, Json]:
        """Keep what this output says from now on."""
        if self.outcomes is None:
            self.outcomes = Outcomes()
            self._looks += (self.outcomes.keep,)
        return self.outcomes.watch(judged, seconds)

    def inferred(self, asked: Asked, outcome: Outcome) -> None:
        """It was answered."""
        if self._is_broken:
            return
        try:
            for look in self._looks:
                look(asked, outcome)
        except Exception as error:  # noqa: BLE001  between an answer and looking at it
            self._give_up(error)

    def failed(self, asked: Asked, error: PlimsollError) -> None:
        """It was refused, given up or went wrong."""
        if self._is_broken:
            return
        try:
            if self._requests is not None:
                self._requests.failed(asked, error)
            if self._spans is not None:
                self._spans.failed(asked, error)
        except Exception as defect:  # noqa: BLE001  between a refusal and looking at it
            self._give_up(defect)

    def _give_up(self, defect: Exception) -> None:
        self._is_broken = True
        _log.error("not observed any more", exc_info=defect, extra={"model": self.pin.model})

    def abandoned(self, asked: Asked) -> None:
        """Whoever asked left before there was an answer: nothing is known of it."""


class Observatory:
    """One for the process; versions come and go."""

    def __init__(self, declared: Declared, *, host: str) -> None:
        self._declared = declared
        log, traces = declared.request_log, declared.traces
        self._writer = None if log is None else Writer(log, host=host)
        self._exporter = None if traces is None else _exporter(traces, host)
        self._seen: dict[tuple[str, int], Seen] = {}

    def of(self, pin: Pin) -> Seen:
        """The version's observer, made at the first call."""
        key = pin.model, pin.version
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = Seen(self._declared, pin, self._writer, self._spans(pin))
        return found

    def loading(self, slot: Slot) -> AbstractContextManager[None]:
        """While a version is brought up."""
        return nullcontext() if self._exporter is None else self._exporter.loading(slot)

    def step(self, name: str) -> AbstractContextManager[object]:
        """A part of that, in the same task."""
        if self._exporter is None:
            return nullcontext()
        return self._exporter.tracer.start_as_current_span(name)

    def forget(self, pin: Pin) -> None:
        """The version was unloaded."""
        self._seen.pop((pin.model, pin.version), None)

    def sketches(self) -> dict[str, Json]:
        """The page /plimsoll/sketches."""
        found: list[Json] = [
            {**_named(seen.pin), **seen.sketches.document()}
            for seen in self._seen.values()
            if seen.sketches is not None
        ]
        return {"versions": found}

    def recent(
        self, request_id: str, *, values: bool = False, match_seconds: float = 0
    ) -> dict[str, Json]:
        """The page /plimsoll/recent; with an id only the answers to that request."""
        rings = [(seen.pin, seen.ring) for seen in self._seen.values() if seen.ring is not None]
        if match_seconds:
            for _, ring in rings:
                ring.match(match_seconds)
        found: list[Json] = [
            {**_named(pin), "answers": ring.document(request_id, values=values)}
            for pin, ring in rings
        ]
        return {"versions": found}

    def histogram(
        self, model: str, version: int, wanted: Wanted, *, seconds: float
    ) -> dict[str, Json]:
        """The page /plimsoll/histograms; raises `NotFound` and `Conflict`."""
        seen = self._known(model, version)
        if not self._declared.sketches_per_second:
            raise _unwatched("sketchesPerSecond")
        return seen.histogram(wanted, seconds=seconds)

    def outcomes(
        self, model: str, version: int, judged: Judged, *, seconds: float
    ) -> dict[str, Json]:
        """The page /plimsoll/outcomes; raises `NotFound` and `Conflict`."""
        seen = self._known(model, version)
        if not self._declared.recent:
            raise _unwatched("recent")
        return seen.judged(judged, seconds=seconds)

    def label(self, model: str, request_id: str, label: Json) -> dict[int, Said]:
        """What came of it by version; one that does not know the request is left out."""
        found = {
            seen.pin.version: seen.outcomes.label(request_id, label)
            for seen in self._seen.values()
            if seen.pin.model == model and seen.outcomes is not None
        }
        return {version: said for version, said in found.items() if said is not Said.UNKNOWN}

    def close(self) -> None:
        """Send what waits to be sent, for a moment."""
        if self._exporter is not None:
            self._exporter.close()

    def _known(self, model: str, version: int) -> Seen:
        found = self._seen.get((model, version))
        if found is None:
            raise NotFound(f"{model}@{version} is not served here")
        return found

    def _spans(self, pin: Pin) -> "Spans | None":
        if self._exporter is None:
            return None
        from runtime.observing.spans import Spans  # noqa: PLC0415  heavy, and seldom declared

        return Spans(self._exporter, pin)


def _exporter(traces: Traces, host: str) -> "Exporter":
    try:
        from runtime.observing.spans import Exporter  # noqa: PLC0415  heavy, and seldom declared
    except ImportError as error:
        raise InvalidConfig(
            f"observing.traces is declared, and {error.name} is not installed",
            fix="pip install 'plimsoll[traces]', or leave traces out",
        ) from error
    return Exporter(traces, host=host)


def _unwatched(setting: str) -> Conflict:
    return Conflict(
        f"observing.{setting} is 0 here: nothing is kept of what is asked and answered",
        fix=f"leave observing.{setting} out of the runtime's file, or set it above 0",
    )


def _named(pin: Pin) -> dict[str, Json]:
    return {"model": pin.model, "version": pin.version, "digest": pin.digest}
