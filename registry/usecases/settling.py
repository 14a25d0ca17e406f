"""Checks pending versions, one at a time: each becomes ready, fails with a reason, or waits.

A version is held by its checker for a short while, again and again; when that process dies, the
next one takes it up. Publishing and failing are one transaction each, and look whether the
version is still pending, so two checkers of one version do no harm.
"""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry import errors
from registry.core import canonical, entries, facts
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.facts import Facts
from registry.core.oms import File
from registry.db import log as log_rows
from registry.db import registrations, tables, versions
from registry.db.engine import Session
from registry.formats import detect
from registry.store.blobs import Stored
from registry.trust import sign
from registry.usecases import checking, log, publish, watermarking
from registry.usecases.access import Caller, Role
from registry.usecases.checking import Draft
from registry.usecases.marks import Marking
from registry.usecases.opening import Registry

ATTEMPTS = 5
# A check that takes its process with it tells nobody why. Stops of the registry count too.
BEGINNINGS = 10
_REASON_LIMIT = 4000
_MAX_BUNDLE = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class Task:
    """A version that is to be checked, as it was frozen."""

    version_id: int
    model: str
    number: int
    actor: str
    refusal: str
    files: tuple[File, ...]
    signature: str | None
    origin: tables.Variant | None
    said: Facts
    attempt: int


def settle_next(registry: Registry, worker: str) -> bool:
    """Check the oldest version that nobody is checking; says whether there was one.

    Raises what kept it from being settled, after which it is taken up again later; with the
    last attempt it fails.
    """
    task = _take(registry, worker)
    if task is None:
        return False
    if task.attempt > BEGINNINGS:
        _fail(
            registry, task, f"its check was begun {BEGINNINGS} times and never ended; ask an admin"
        )
        tidy(registry)
        return True
    by = _caller(task.actor)
    try:
        with _held(registry, task, worker):
            checked = checking.check(registry, _draft(registry, task))
            publish.complete(registry, watermarking.marked(registry, checked), by)
    except errors.PlimsollError as error:
        if not _is_final(error) and task.attempt < ATTEMPTS:
            raise
        _fail(registry, task, f"{error.detail}; {error.fix}" if error.fix else error.detail)
    except Exception:
        if task.attempt >= ATTEMPTS:
            _fail(registry, task, f"the check broke off {task.attempt} times; ask an admin")
        raise
    tidy(registry)
    return True


def tidy(registry: Registry) -> None:
    """Let go of what versions were frozen as that are settled by now, whoever settled them."""
    with registry.database.reading() as session:
        if not registrations.settled(session):
            return
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        registrations.let_go_settled(session)
        session.commit()


def _take(registry: Registry, worker: str) -> Task | None:
    now = datetime.now(UTC)
    with registry.database.reading() as session:
        if registrations.due(session, now) is None:
            return None
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        version_id = registrations.due(session, now)
        if version_id is None:
            return None
        until = now + _lease(registry)
        held = registrations.take(session, version_id, worker, now=now, until=until)
        version = session.get(tables.Version, version_id)
        if held is None or version is None:
            return None
        origin = held.origin_id and session.get(tables.Variant, held.origin_id)
        task = Task(
            version_id=version_id,
            model=version.model,
            number=version.version,
            actor=version.actor,
            refusal=held.refusal,
            files=registrations.files(session, version_id),
            signature=held.signature,
            origin=origin or None,
            said=_said(session, version, origin or None),
            attempt=held.attempts,
        )
        session.commit()
        return task


def _said(session: Session, version: tables.Version, origin: tables.Variant | None) -> Facts:
    """What the version's publisher said; tags and description are in its row already.

    A copy has the licence, commit, numbers and data sets of what it is a copy of.
    """
    if origin is None:
        return Facts(commit=version.commit, source=version.source, run_id=version.run_id)
    row = session.get_one(tables.Version, origin.version_id)
    parent = versions.whole(session, row.model, row.version)
    return Facts(
        licence=parent.licence,
        commit=parent.commit,
        repository=parent.repository,
        source=version.source,
        run_id=version.run_id,
        metrics={metric.key: metric.value for metric in parent.metrics},
        parameters={parameter.key: parameter.value for parameter in parent.parameters},
        datasets=tuple(facts.Dataset(data.name, data.digest, data.uri) for data in parent.datasets),
    )


def _draft(registry: Registry, task: Task) -> Draft:
    """What is to be checked; raises InvalidInput where that is clear at once."""
    if task.refusal:
        raise errors.InvalidInput(task.refusal)
    if task.origin is not None:
        bundle = canonical.decode_object(task.origin.publisher_bundle, what="publisher bundle")
        # A copy of what is marked is marked: nobody gets the original by asking for another name.
        mark = None if task.origin.watermark is None else Marking.ON
        return Draft(
            task.model, task.number, task.origin.format, task.files, bundle, task.said,
            task.origin.name, watermark=mark,
        )  # fmt: skip
    if task.signature is not None:
        bundle = canonical.decode_object(_content(registry, task.signature), what="model.sig")
    else:
        bundle = _by_custodian(registry, task)
    found, _ = detect.head([file.path for file in task.files], None)
    return Draft(task.model, task.number, found, task.files, bundle, task.said)


def _by_custodian(registry: Registry, task: Task) -> dict[str, Json]:
    if registry.custodian_key is None or not registry.settings.custodian:
        raise errors.SignatureInvalid(
            "nobody signed these files: there is no model.sig with them",
            fix="sign the folder with `model_signing sign key FOLDER --private_key KEY "
            "--signature FOLDER/model.sig`, upload it with model.sig, and register it again",
        )
    return sign.sign_model(task.model, task.files, registry.custodian_key)


def _content(registry: Registry, digest: str) -> bytes:
    size = registry.blobs.size(digest)
    if size is None or size > _MAX_BUNDLE:
        raise errors.SignatureInvalid(f"model.sig has {size or 'no'} bytes")
    with tempfile.TemporaryDirectory(prefix="sig-", dir=registry.settings.data_dir) as folder:
        content = registry.blobs.local(digest, Path(folder)).read_bytes()
    Stored(digests.of(content), len(content)).require(digest)
    return content


def _fail(registry: Registry, task: Task, reason: str) -> None:
    now, said = datetime.now(UTC), reason[:_REASON_LIMIT]
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        version = session.get_one(tables.Version, task.version_id)
        if version.status != tables.PENDING:
            return
        version.status, version.status_message, version.updated_at = tables.FAILED, said, now
        entry = entries.Entry(
            time=log.stamp(now),
            kind=Kind.REGISTRATION_FAILED,
            actor=task.actor,
            model=task.model,
            version=task.number,
            reason=said,
        )
        log.append(session, registry, entry, now=now)
        session.commit()


@contextmanager
def _held(registry: Registry, task: Task, worker: str) -> Iterator[None]:
    """Hold the version for as long as the block takes, and no longer should the process die."""
    is_over = threading.Event()

    def hold_on() -> None:
        while not is_over.wait(_lease(registry).total_seconds() / 3):
            # A database that is away for longer than the lease lets others take over: no harm.
            with suppress(errors.PlimsollError), registry.database.writing() as session:
                log_rows.locked_head(session)
                until = datetime.now(UTC) + _lease(registry)
                registrations.keep(session, task.version_id, worker, until=until)
                session.commit()

    holding = threading.Thread(target=hold_on, name=f"holding {task.version_id}", daemon=True)
    holding.start()
    try:
        yield
    finally:
        is_over.set()
        holding.join()


def _is_final(error: errors.PlimsollError) -> bool:
    """Whether trying again would say the same."""
    return error.status < 500 and not isinstance(error, errors.Busy)


def _lease(registry: Registry) -> timedelta:
    return timedelta(seconds=registry.settings.limits.registration_lease)


def _caller(actor: str) -> Caller:
    role, _, name = actor.partition(":")
    return Caller(Role(role), name)
