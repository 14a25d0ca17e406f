"""What tells a page that it is old: every change of the fleet, whatever the clocks say."""

from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest

from registry.core.asking import Verb
from registry.usecases import fleet, reports, requests
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from registry.usecases.requests import Wanted

LOOP, OLGA = Caller(Role.RECONCILER, "loop"), Caller(Role.OPERATOR, "olga")
ID = "0" * 32


class Behind(datetime):
    """The clock of another replica, or this one's after it was set back."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


def report(registry: Registry, name: str) -> None:
    reports.set_status(registry, environment="production", name=name, document={}, by=LOOP)


def test_a_status_that_is_stamped_before_another_makes_pages_old_too(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [fleet.mark(registry)]
    report(registry, "one")
    marks.append(fleet.mark(registry))
    assert fleet.mark(registry) == marks[-1]
    monkeypatch.setattr(reports, "datetime", Behind)
    report(registry, "two")
    marks.append(fleet.mark(registry))
    assert len(set(marks)) == len(marks)


def test_a_status_that_is_dropped_makes_pages_old(registry: Registry) -> None:
    for name in ("one", "two"):
        report(registry, name)
    before = fleet.mark(registry)
    reports.drop_status(registry, environment="production", name="one")
    assert fleet.mark(registry) != before


def test_a_request_that_is_taken_makes_pages_old(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(registry, "one")
    requests.ask(registry, Wanted(ID, "production", "one", Verb.RETRY, "again"), OLGA)
    report(registry, "one")
    before = fleet.mark(registry)
    monkeypatch.setattr(requests, "datetime", Behind)
    requests.take(registry, ID, holder="east", by=LOOP)
    after = fleet.mark(registry)
    assert after != before
    requests.take(registry, ID, holder="east", by=LOOP)
    assert fleet.mark(registry) == after
