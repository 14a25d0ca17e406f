"""One run of the engine for several requests: stacked, run, taken apart again.

Whatever goes wrong with the whole is found out for each alone, so that one bad request costs
nobody else an answer. Runs on any thread and touches nothing that is shared.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from registry.errors import PlimsollError, Unavailable
from runtime.backends import stopping
from runtime.backends.protocol import Array, Arrays, Backend
from runtime.inference.asked import Asked, Outcome, Times
from runtime.inference.form import chosen
from runtime.inference.waiting import Waiting

Clock = Callable[[], int]
Result = Outcome | PlimsollError
_log = logging.getLogger("plimsoll.runtime")


@dataclass(frozen=True, slots=True)
class Done:
    """The result of each member, in order; `is_whole` where they ran at once."""

    results: list[Result]
    is_whole: bool


def execute(backend: Backend, members: Sequence[Waiting], clock: Clock) -> Done:
    """Run them, together if that goes; nothing is raised."""
    if len(members) == 1:
        return Done([alone(backend, members[0], clock)], is_whole=True)
    started = clock()
    try:
        stacked = _stacked([member.asked.inputs for member in members])
        ready = clock()
        outputs = backend.run(members[0].asked.call, stacked)
        ended = clock()
        parts = _parts(outputs, [member.rows for member in members])
    except Exception:  # noqa: BLE001  whose fault it is shows when each runs alone
        if stopping.is_told():
            return Done([_unwanted() for _ in members], is_whole=True)
        return Done([alone(backend, member, clock) for member in members], is_whole=False)
    apart = clock() - ended
    rows = sum(member.rows for member in members)
    times = (started, ready, ended, apart)
    results = [
        _outcome(member, part, times, rows) for member, part in zip(members, parts, strict=True)
    ]
    return Done(results, is_whole=True)


def alone(backend: Backend, member: Waiting, clock: Clock) -> Result:
    """One request by itself."""
    started = clock()
    try:
        outputs = run(backend, member.asked)
    except PlimsollError as error:
        return error
    ended = clock()
    return Outcome(
        outputs, Times(started - member.arrived, 0, ended - started, 0), max(member.rows, 1)
    )


def run(backend: Backend, asked: Asked) -> dict[str, Array]:
    """The outputs that were asked for; raises `InvalidInput`, and `PlimsollError` itself for
    whatever else an engine may come up with."""
    try:
        found = backend.run(asked.call, asked.inputs)
        return chosen(found, asked.outputs) if asked.outputs else found
    except PlimsollError:
        raise
    except Exception as error:
        if stopping.is_told():
            raise _unwanted() from error
        _log.warning("inference failed", exc_info=error)
        raise PlimsollError(f"the engine failed: {error}") from error


def _unwanted() -> Unavailable:
    """For nobody: who asked has an answer, or has left."""
    return Unavailable("stopped, as nobody waited for it any more")


def _outcome(
    member: Waiting, part: dict[str, Array], times: tuple[int, int, int, int], rows: int
) -> Result:
    started, ready, ended, apart = times
    spent = Times(started - member.arrived, ready - started, ended - ready, apart)
    try:
        return Outcome(chosen(part, member.asked.outputs), spent, rows)
    except PlimsollError as error:
        return error


def _stacked(inputs: list[Arrays]) -> dict[str, Array]:
    return {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}


def _parts(outputs: dict[str, Array], rows: list[int]) -> list[dict[str, Array]]:
    """Views, so nothing is copied; raises `PlimsollError` where an output has other rows."""
    total = sum(rows)
    for name, value in outputs.items():
        if not value.ndim or value.shape[0] != total:
            raise PlimsollError(f"output {name!r} of {total} rows has the shape {value.shape}")
    parts: list[dict[str, Array]] = []
    start = 0
    for count in rows:
        end = start + count
        parts.append({name: value[start:end] for name, value in outputs.items()})
        start = end
    return parts
