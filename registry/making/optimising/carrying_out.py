"""Runs the recipes that wait, one at a time: whatever the process dies of, another goes on.

An order is held for a short while, again and again. Its steps are kept in a folder of its own, so
that who takes it up on the same disk begins where the last one ended; on another disk all is made
anew. A process that lost an order, or whose client withdrew it, lets go with the step it is at.
"""

import asyncio
import hashlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry import errors
from registry.core import canonical
from registry.core.oms import File
from registry.core.recipes import planning, plot, report
from registry.db import blobs
from registry.db import log as log_rows
from registry.db import optimisations as rows
from registry.db.tables_optimisations import Optimisation
from registry.making import stored
from registry.making.optimising import runs, sources
from registry.making.optimising.runs import Done, Given
from registry.usecases import pull, transfers
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

ATTEMPTS = 3
# One that takes its process with it each time, as for want of memory, is begun no more often.
BEGINNINGS = 10
KEPT_FOR = timedelta(days=30)
FOLDER = "optimisations"
_BLOCK = 1 << 20
_TIDY_AT_ONCE = 100
_LONGEST_REASON = 2000


class LetGo(Exception):
    """The order was withdrawn, taken over, or this process is to end."""


@dataclass(frozen=True, slots=True)
class _Task:
    """An order as it was taken."""

    name: str
    worker: str
    model: str
    number: int
    recipe: str
    attempt: int
    data: tuple[File, ...]


def run_next(registry: Registry, worker: str, is_over: Callable[[], bool]) -> bool:
    """Run the oldest order that nobody runs; says whether there was one.

    One that cannot be carried out fails with its reason; one that breaks off is taken up again,
    and fails with the third time.
    """
    tidy(registry)
    task = _take(registry, worker)
    if task is None:
        return False
    folder = registry.settings.data_dir / FOLDER / task.name
    with _held(registry, task) as is_ours:
        try:
            _require_promising(task)
            _carry_out(registry, task, folder, lambda: is_ours() and not is_over())
        except LetGo:
            _put_back(registry, task)
            return not is_over()
        except errors.PlimsollError as error:
            if error.status >= 500 and task.attempt < ATTEMPTS:
                raise
            _end(registry, task, rows.FAILED, f"{error.detail}; {error.fix}".rstrip("; "), ())
        except Exception:
            if task.attempt >= ATTEMPTS:
                _end(registry, task, rows.FAILED, "it broke off three times; ask an admin", ())
            raise
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _require_promising(task: _Task) -> None:
    if task.attempt > BEGINNINGS:
        raise errors.InvalidInput(
            f"it was begun {BEGINNINGS} times and never ended", fix="ask an admin for more memory"
        )


def tidy(registry: Registry) -> None:
    """Forget what ended long ago, and the folders of orders that are no more."""
    with registry.database.reading() as session:
        old = rows.ended_before(session, datetime.now(UTC) - KEPT_FOR, limit=_TIDY_AT_ONCE)
    if old:
        with registry.database.writing() as session:
            log_rows.locked_head(session)
            rows.drop(session, old)
            session.commit()
    here = registry.settings.data_dir / FOLDER
    for folder in here.iterdir() if here.is_dir() else ():
        with registry.database.reading() as session:
            if rows.find(session, folder.name) is None:
                shutil.rmtree(folder, ignore_errors=True)


def _carry_out(registry: Registry, task: _Task, folder: Path, goes_on: Callable[[], bool]) -> None:
    told = _Telling(registry, task, goes_on)
    told("fetching the model and the samples", 0, 1)
    given = _given(registry, task, folder)
    done = runs.run(given, folder / "work", progress=told)
    made = tuple(_store(registry, path, content) for path, content in _outcome(done))
    reason = "" if done.best is not None else "nothing that was made holds the constraints"
    _end(registry, task, rows.DONE, reason, made)


def _given(registry: Registry, task: _Task, folder: Path) -> Given:
    read = planning.read("recipe", task.recipe.encode())
    source = read.spec.model
    with registry.database.reading() as session:
        variant = pull.chosen(session, Asked(task.model, task.number, digest=source.digest or ""))
        files = tuple(File(one.path, one.digest, one.size) for one in variant.files)
    places = {file.path: _fetch(registry, file, folder / "model") for file in files}
    for file in task.data:
        _fetch(registry, file, folder / "data")
    head = sources.inspected(places)
    return Given(read, folder / "data", head, f"{task.model}@{task.number}")


def _fetch(registry: Registry, file: File, folder: Path) -> Path:
    """The file as it was published, or none: what the disk has made of it is looked at."""
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    hasher = hashlib.sha256()
    with target.open("wb") as sink:
        for block in stored.blocks(registry.blobs, file):
            hasher.update(block)
            sink.write(block)
    if f"sha256:{hasher.hexdigest()}" != file.digest:
        raise errors.IntegrityError(f"{file.path}: the stored {file.digest} was changed")
    return target


def _outcome(done: Done) -> Iterator[tuple[str, bytes | Path]]:
    yield "report.json", canonical.encode(report.document(done.run))
    yield "report.md", report.page(done.run).encode()
    yield "pareto.svg", plot.draw(done.run).encode()
    if done.best is not None:
        yield "model/model.onnx", done.best


def _store(registry: Registry, path: str, content: bytes | Path) -> File:
    if isinstance(content, bytes):
        kept = transfers.put(registry, content)
    else:
        kept = asyncio.run(transfers.take(registry, _blocks(content), size=content.stat().st_size))
    return File(path, kept.digest, kept.size)


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


class _Telling:
    """Puts into the row what is being done; raises `LetGo` once it is nobody's business here."""

    def __init__(self, registry: Registry, task: _Task, goes_on: Callable[[], bool]) -> None:
        self._registry = registry
        self._task = task
        self._goes_on = goes_on

    def __call__(self, what: str, done: int, total: int) -> None:
        if not self._goes_on():
            raise LetGo
        if not _keep(self._registry, self._task, phase=what, done=done, total=total):
            raise LetGo


def _take(registry: Registry, worker: str) -> _Task | None:
    now = datetime.now(UTC)
    until = now + _lease(registry)
    with registry.database.reading() as session:
        if rows.due(session, now) is None:
            return None
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        name = rows.due(session, now)
        if name is None or not rows.take(session, name, worker, now=now, until=until):
            return None
        session.expire_all()
        row = rows.find(session, name)
        found = None if row is None else _task(row, worker, rows.files(session, name, rows.DATA))
        session.commit()
    return found


def _task(row: Optimisation, worker: str, data: tuple[File, ...]) -> _Task:
    version = row.version
    return _Task(row.id, worker, version.model, version.version, row.recipe, row.attempts, data)


@contextmanager
def _held(registry: Registry, task: _Task) -> Iterator[Callable[[], bool]]:
    """Hold the order for as long as the block takes, and no longer should the process die."""
    is_over, is_lost = threading.Event(), threading.Event()

    def hold_on() -> None:
        while not is_over.wait(_lease(registry).total_seconds() / 3):
            # A database that is away for longer than the lease lets others take over: no harm.
            with suppress(errors.PlimsollError):
                if not _keep(registry, task):
                    is_lost.set()

    holding = threading.Thread(target=hold_on, name=f"holding {task.name}", daemon=True)
    holding.start()
    try:
        yield lambda: not is_lost.is_set()
    finally:
        is_over.set()
        holding.join()


def _keep(registry: Registry, task: _Task, **values: object) -> bool:
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        kept = rows.keep(
            session, task.name, task.worker, due_at=now + _lease(registry), updated_at=now, **values
        )
        session.commit()
    return kept


def _put_back(registry: Registry, task: _Task) -> None:
    """For whoever comes next; a stop is no failed attempt."""
    with suppress(errors.PlimsollError), registry.database.writing() as session:
        log_rows.locked_head(session)
        now, before = datetime.now(UTC), task.attempt - 1
        rows.keep(session, task.name, task.worker, due_at=now, state=rows.WAITING, attempts=before)
        session.commit()


def _end(registry: Registry, task: _Task, state: str, reason: str, made: tuple[File, ...]) -> None:
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if blobs.missing(session, [one.digest for one in made]):
            raise errors.MissingContent("what was made is not here any more")
        if rows.keep(
            session, task.name, task.worker, state=state, reason=reason[:_LONGEST_REASON],
            phase="ended", done=Optimisation.total, updated_at=now,
        ):  # fmt: skip
            rows.add_made(session, task.name, made)
        session.commit()


def _lease(registry: Registry) -> timedelta:
    return timedelta(seconds=registry.settings.limits.registration_lease)
