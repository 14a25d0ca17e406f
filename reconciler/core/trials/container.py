"""The contract with a test that is a container: what it is told, and what it may answer. Pure.

What it writes is of a stranger: read up to a limit, in full or not at all, and shown with nothing
that a terminal would take for more than text. docs/custom-tests.md is the contract in words.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.kinds.trials import Container
from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput, Unavailable

CONTRACT = "plimsoll.dev/trial/v1"
CANDIDATE = "http://candidate:8501"
OUTPUT_LIMIT = 256 * 1024
AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: nothing is decided, and the test is run again later."""
_KILLED = 137
_REASONS, _REASON = 20, 500
_METRICS = 100
_METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}")
_FIELDS = {"contract", "passed", "reasons", "metrics"}
_WHAT = "its result"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. `code` is None where time ran out; `output` is standard output, up to a
    little more than the limit; `notes` the end of standard error."""

    code: int | None
    output: bytes
    notes: str = ""
    is_out_of_memory: bool = False
    image: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a test says: against the candidate where there are `reasons`."""

    reasons: tuple[str, ...]
    metrics: Mapping[str, float]


def told(spec: Container, *, url: str, model: str, version: int, digest: str) -> dict[str, Json]:
    """What the container finds in its file: whom to ask, and with what parameters."""
    return {
        "contract": CONTRACT,
        "url": url,
        "predict": f"{url}/v1/models/{model}/versions/{version}:predict",
        "model": model,
        "version": version,
        "digest": digest,
        "timeoutSeconds": spec.timeout_seconds,
        "parameters": dict(spec.parameters),
    }


def judged(spec: Container, ended: Ended) -> Result:
    """The test's word; a test that does not keep the contract says no.

    Raises `Unavailable` where the test itself asks for another run.
    """
    if ended.code is None:
        return _no(ended, f"did not end within {spec.timeout}")
    if ended.is_out_of_memory:
        return _no(ended, f"ran out of its memory of {spec.memory}")
    if ended.code == AGAIN:
        raise Unavailable(f"the test in {spec.image} asks to be run again{_said(ended)}")
    if ended.code not in (0, 1):
        killed = " (killed)" if ended.code == _KILLED else ""
        return _no(ended, f"ended with exit code {ended.code}{killed}, and only 0 and 1 decide")
    try:
        found = read(ended.output)
    except InvalidInput as error:
        return _no(ended, f"ended with exit code {ended.code}, but {error.detail}")
    if bool(found.reasons) != bool(ended.code):
        word = "failed" if found.reasons else "passed"
        return _no(ended, f"ended with exit code {ended.code}, and its result says that it {word}")
    return found


def read(output: bytes) -> Result:
    """Standard output as the contract has it; raises `InvalidInput`."""
    if len(output) > OUTPUT_LIMIT:
        raise InvalidInput(f"it wrote more than {OUTPUT_LIMIT >> 10} KiB to standard output")
    document = canonical.decode_object(output, what=_WHAT)
    fields.refuse_unknown(document, _FIELDS, what=_WHAT)
    contract = fields.text(document, "contract", what=_WHAT)
    if contract != CONTRACT:
        raise InvalidInput(f"{_WHAT} is of the contract {printable(contract)[:80]!r}",
                           fix=f"write {CONTRACT}")  # fmt: skip
    is_passed = document.get("passed")
    if not isinstance(is_passed, bool):
        raise InvalidInput(f"{_WHAT}: 'passed' must be true or false")
    reasons = _reasons(document)
    if is_passed == bool(reasons):
        raise InvalidInput(f"{_WHAT} has to give reasons where it did not pass, and only there")
    return Result(reasons, _metrics(document))


def printable(text: str) -> str:
    """On one line, without anything that moves a cursor, changes colours or turns writing round."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _reasons(document: dict[str, Json]) -> tuple[str, ...]:
    found = fields.sequence(document, "reasons", what=_WHAT) if "reasons" in document else []
    reasons = [printable(one) for one in found if isinstance(one, str)]
    if len(reasons) != len(found) or not all(reasons) or len(reasons) > _REASONS:
        raise InvalidInput(f"{_WHAT}: 'reasons' must be at most {_REASONS} texts")
    if any(len(one) > _REASON for one in reasons):
        raise InvalidInput(f"{_WHAT}: a reason has more than {_REASON} characters")
    return tuple(reasons)


def _metrics(document: dict[str, Json]) -> dict[str, float]:
    found = fields.mapping(document, "metrics", what=_WHAT) if "metrics" in document else {}
    if len(found) > _METRICS:
        raise InvalidInput(f"{_WHAT}: {len(found)} metrics, at most {_METRICS} are kept")
    metrics = {}
    for name, value in found.items():
        number = fields.finite(value)
        if not _METRIC.fullmatch(name) or number is None:
            raise InvalidInput(
                f"{_WHAT}: metric {printable(name)[:40]!r} is no number of that name"
            )
        metrics[name] = number
    return metrics


def _no(ended: Ended, what: str) -> Result:
    return Result((f"the test {what}{_said(ended)}",), {})


def _said(ended: Ended) -> str:
    notes = printable(ended.notes)[-200:]
    return f"; it said last: {notes}" if notes else ""
