"""Versions to keep and to lose, and how tests say what is deployed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from registry.core.facts import NONE, Facts
from registry.core.retention import Rule
from registry.db.tables import Blob, Variant, Version
from registry.settings import Retention
from registry.usecases import publish, reports
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.recent import Recent
from registry.usecases.reports import Event
from registry.usecases.sweep import Grace
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

ROOT = Caller(Role.ADMIN, "root")
RECONCILER = Caller(Role.RECONCILER, "main")
AT_ONCE = Grace.of(0)
# The same bytes look the same in every test.
_INSPECTIONS: Recent[Any, Any] = Recent(1000)


def files_of(number: float) -> dict[str, bytes]:
    """A model of its own for each number, in two files of which all share one."""
    return {"model.onnx": onnx_model(number), "labels.txt": b"shared by all"}


def publish_some(
    registry: Registry, alice: Publisher, count: int, *, model: str = "digits"
) -> None:
    """Versions 1 to `count`, each with bytes of its own; published long ago."""
    for number in range(1, count + 1):
        publish_one(registry, alice, number, model=model)
    make_older(registry, days=400)


def publish_one(
    registry: Registry,
    alice: Publisher,
    number: float,
    *,
    model: str = "digits",
    said: Facts = NONE,
) -> Version:
    """The next version of the model. What was looked at for another registry is not again."""
    files = files_of(number)
    store(registry, files)
    draft = replace(alice.draft(files, model=model), facts=said)
    shared = replace(registry, inspections=_INSPECTIONS)
    return publish.publish(shared, draft, ALICE).version


def make_older(registry: Registry, *, days: float) -> None:
    """As if all that is there had been there for so long."""
    then = datetime.now(UTC) - timedelta(days=days)
    with registry.database.writing() as session:
        for table in (Version, Variant):
            session.execute(update(table).values(created_at=then))
        session.execute(update(Blob).values(created_at=then, used_at=then))
        session.commit()


def with_rules(registry: Registry, *rules: Rule) -> Registry:
    """The same registry under other rules."""
    settings = replace(registry.settings, retention=Retention(rules=rules))
    return replace(registry, settings=settings)


def report(registry: Registry, kind: str, number: int, *, host: str = "edge-1") -> None:
    """What a reconciler tells of a version."""
    event = Event(
        id=f"{kind}-{number}-{host}-{datetime.now(UTC)}", kind=kind, model="digits", version=number,
        host=host, deployment="production/digits",
    )  # fmt: skip
    reports.record(registry, event, RECONCILER)


def deploy(registry: Registry, number: int) -> None:
    """The status of a deployment that serves this version on one host."""
    one = {"model": "digits", "version": number, "digest": "sha256:…", "commit": "c0ffee"}
    document = {"desired": one, "hosts": [{"host": "edge-1", "serving": {**one, "instance": "i"}}]}
    reports.set_status(
        registry, environment="production", name="digits", document=document, by=RECONCILER
    )


def stored(registry: Registry) -> set[str]:
    """The digests of all bytes that are there."""
    return set(registry.blobs.digests())


def digests_of(number: float) -> set[str]:
    return {digest_of(data) for data in files_of(number).values()}
