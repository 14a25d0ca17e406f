"""The log by itself: how many events a second it takes, durably, and what a proof costs."""

import itertools
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from bench import control, repeating
from bench.figures import Bar, Of, Row, Sign
from registry.settings import Settings
from registry.usecases import log, opening, reports
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.reports import Event

_AREA = "trust"
_BY = Caller(Role.RECONCILER, "bench")
_APPENDS = 1000
_WRITERS = 16
_BATCH = 100
_ROUNDS = 7
_PROOFS = 200
_SIZE = 20_000


def rows(folder: Path) -> Iterator[Row]:
    """On SQLite as the registry opens it: WAL, every commit synced, every commit signed.

    One append grows with the logarithm of the log's size; so does a proof.
    """
    registry = opening.open_registry(Settings(data_dir=folder / "log"))
    with (
        closing(registry),
        closing(control.plain_database(folder / "plain.db")) as database,
        ThreadPoolExecutor(_WRITERS) as pool,
    ):
        for told, work, bar in (
            (f"{_WRITERS} callers at once", partial(_at_once, registry, pool), None),
            (f"{_BATCH} to a call", partial(_batches, registry), _least(1000)),
            ("one after the other", partial(_alone, registry), None),
        ):
            found = repeating.compared(
                partial(repeating.seconds, work),
                partial(control.commit, database, _APPENDS),
                repetitions=_ROUNDS,
            )
            yield _row(told, found, bar)
        yield _proof(registry)


def _row(told: str, found: repeating.Compared, bar: Bar | None) -> Row:
    return Row(
        _AREA,
        f"events into the log, durable, {told}",
        _APPENDS / found.seconds,
        "1/s",
        f"SQLite commits of one row, synced: {_APPENDS / found.reference_seconds:.0f} /s",
        ratio=found.speed_ratio,
        bar=bar,
    )


def _least(limit: float) -> Bar:
    return Bar(Of.VALUE, Sign.AT_LEAST, limit)


def _event() -> Event:
    return Event(str(uuid.uuid4()), "deployed", model="digits", version=1, reason="measured")


def _at_once(registry: Registry, pool: ThreadPoolExecutor) -> None:
    list(pool.map(lambda _: reports.record(registry, _event(), _BY), range(_APPENDS)))


def _batches(registry: Registry) -> None:
    for _ in range(_APPENDS // _BATCH):
        reports.record_all(registry, [_event() for _ in range(_BATCH)], _BY)


def _alone(registry: Registry) -> None:
    for _ in range(_APPENDS):
        reports.record(registry, _event(), _BY)


def _proof(registry: Registry) -> Row:
    """One inclusion proof read from the database, entries all over the log."""
    while log.size(registry) < _SIZE:
        reports.record_all(registry, [_event() for _ in range(_APPENDS)], _BY)
    turns = itertools.count()

    def prove() -> None:
        log.inclusion(registry, next(turns) * 7919 % _SIZE, _SIZE)

    took = repeating.median_seconds(prove, repetitions=_PROOFS)
    return Row(
        _AREA,
        f"inclusion proof from SQLite, log of {_SIZE} entries, p50",
        took * 1e3,
        "ms",
        bar=Bar(Of.VALUE, Sign.UNDER, 1.0),
    )
