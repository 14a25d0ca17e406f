"""What shall be observed, as the runtime's file says it in `observing`: strictly read.

Sketches and the ring of recent answers are on, as they hold no input; whatever leaves the process
is off until it is declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_FIELDS = frozenset({"sketchesPerSecond", "recent", "requestLog", "traces"})
_LOG_FIELDS = frozenset({"file", "rate", "maxBytes", "strings"})
_TRACE_FIELDS = frozenset({"endpoint", "rate"})
_MOST_RECENT = 65_536


@dataclass(frozen=True, slots=True)
class RequestLog:
    """`rate` of all requests, 0 to 1, as CloudEvents in `file`, which is turned over when it has
    `max_bytes`; `strings` are the tensors whose text may be written down."""

    file: Path
    rate: float
    max_bytes: int = 64 * 1024 * 1024
    strings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Traces:
    """Spans go to the collector at `endpoint`, OTLP over HTTP; `rate` of those requests that
    belong to no trace yet, 0 to 1."""

    endpoint: str
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Declared:
    """`sketches_per_second` inferences of each version are sketched, 0 for none; the last `recent`
    answers of each version are summarised, 0 for none."""

    sketches_per_second: int = 10
    recent: int = 256
    request_log: RequestLog | None = None
    traces: Traces | None = None

    def document(self) -> dict[str, Json]:
        """What `read` reads."""
        found: dict[str, Json] = {
            "sketchesPerSecond": self.sketches_per_second,
            "recent": self.recent,
        }
        log, traces = self.request_log, self.traces
        if log is not None:
            found["requestLog"] = {
                "file": str(log.file),
                "rate": log.rate,
                "maxBytes": log.max_bytes,
                "strings": [*sorted(log.strings)],
            }
        if traces is not None:
            found["traces"] = {"endpoint": traces.endpoint, "rate": traces.rate}
        return found


def read(document: dict[str, Json], *, what: str) -> Declared:
    """The field `observing`, which may be left out; raises `InvalidInput`."""
    if document.get("observing") is None:
        return Declared()
    given, where = fields.mapping(document, "observing", what=what), f"{what}: observing"
    fields.refuse_unknown(given, _FIELDS, what=where)
    usual = Declared()
    return Declared(
        _count(given, "sketchesPerSecond", usual.sketches_per_second, where),
        _count(given, "recent", usual.recent, where),
        _request_log(given, where),
        _traces(given, where),
    )


def _request_log(given: dict[str, Json], where: str) -> RequestLog | None:
    if given.get("requestLog") is None:
        return None
    found, where = fields.mapping(given, "requestLog", what=where), f"{where}.requestLog"
    fields.refuse_unknown(found, _LOG_FIELDS, what=where)
    most = fields.integer(found, "maxBytes", what=where) if "maxBytes" in found else 64 << 20
    if most < 1 << 16:
        raise InvalidInput(f"{where}: 'maxBytes' is {most}, must be 65536 or more")
    names = fields.sequence(found, "strings", what=where) if "strings" in found else []
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"{where}: every item of 'strings' must be a tensor's name")
    strings = frozenset(str(name) for name in names)
    file = Path(fields.text(found, "file", what=where))
    return RequestLog(file, _rate(found, where), most, strings)


def _traces(given: dict[str, Json], where: str) -> Traces | None:
    if given.get("traces") is None:
        return None
    found, where = fields.mapping(given, "traces", what=where), f"{where}.traces"
    fields.refuse_unknown(found, _TRACE_FIELDS, what=where)
    endpoint = fields.text(found, "endpoint", what=where)
    if not endpoint.startswith(("http://", "https://")):
        raise InvalidInput(
            f"{where}: 'endpoint' is {endpoint[:80]!r}",
            fix="write the collector's URL, such as http://collector:4318",
        )
    return Traces(endpoint, _rate(found, where) if "rate" in found else 0.0)


def _rate(given: Mapping[str, Json], where: str) -> float:
    rate = given.get("rate")
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
        raise InvalidInput(f"{where}: 'rate' is {str(rate)[:40]}, must be from 0 to 1")
    return float(rate)


def _count(given: dict[str, Json], name: str, usual: int, where: str) -> int:
    found = fields.integer(given, name, what=where) if name in given else usual
    if not 0 <= found <= _MOST_RECENT:
        raise InvalidInput(f"{where}: {name!r} is {found}, must be from 0 to {_MOST_RECENT}")
    return found
