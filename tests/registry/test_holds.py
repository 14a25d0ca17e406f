"""Legal holds: placed and released with a reason, on record, and in everybody's way."""

from pathlib import Path

import pytest

from registry import errors
from registry.usecases import catalogue, erasure, holds
from registry.usecases.opening import Registry
from tests.registry.keeping import ROOT, publish_some
from tests.registry.publishing import Publisher


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What holds look like on the other database is seen by the tests of retention and erasure."""
    return f"sqlite:///{tmp_path / 'registry.db'}"


@pytest.fixture
def held(registry: Registry, alice: Publisher) -> Registry:
    """Two versions, the first on hold."""
    publish_some(registry, alice, 2)
    holds.place(registry, model="digits", version=1, reason="case 2026-114", by=ROOT)
    return registry


def is_free(registry: Registry, version: int | None) -> bool:
    with registry.database.reading() as session:
        try:
            holds.require_free(session, "digits", version)
        except errors.Conflict:
            return False
    return True


def test_a_hold_is_on_its_version_and_so_on_a_part_of_the_model(held: Registry) -> None:
    assert [is_free(held, version) for version in (1, 2, None)] == [False, True, False]


def test_a_hold_on_a_model_is_on_all_its_versions(held: Registry) -> None:
    holds.place(held, model="digits", version=None, reason="audit", by=ROOT)
    assert not is_free(held, 2)


def test_of_two_holds_both_must_be_released(held: Registry) -> None:
    second = holds.place(held, model="digits", version=1, reason="another case", by=ROOT)
    holds.release(held, second.id, reason="settled", by=ROOT)
    assert not is_free(held, 1)
    [first] = holds.page(held)
    holds.release(held, first.id, reason="settled too", by=ROOT)
    assert is_free(held, 1)


def test_placing_and_releasing_are_on_record(held: Registry) -> None:
    [hold] = holds.page(held)
    holds.release(held, hold.id, reason="settled", by=ROOT)
    released, placed = (logged.entry for logged in catalogue.latest(held, limit=2))
    assert (placed.kind, placed.version, placed.reason) == ("held", 1, "case 2026-114")
    assert (released.kind, released.actor, released.reason) == ("released", "admin:root", "settled")
    assert placed.detail == released.detail == {"hold": hold.id}
    assert placed.digest == catalogue.version(held, "digits", 1).digest


def test_a_released_hold_is_still_listed_for_who_asks(held: Registry) -> None:
    [hold] = holds.page(held)
    holds.release(held, hold.id, reason="settled", by=ROOT)
    assert list(holds.page(held)) == []
    [found] = holds.page(held, with_released=True)
    assert (found.reason, found.released_reason, found.released_by) == (
        "case 2026-114",
        "settled",
        "admin:root",
    )
    with pytest.raises(errors.Conflict, match="was released on"):
        holds.release(held, hold.id, reason="again", by=ROOT)


@pytest.mark.parametrize(
    ("model", "version", "reason", "expected"),
    [
        ("digits", 9, "x", errors.NotFound),
        ("fraud", None, "x", errors.NotFound),
        ("digits", 2, "  ", errors.InvalidInput),
        ("digits", 2, "x" * 3000, errors.InvalidInput),
    ],
)
def test_a_hold_on_nothing_or_for_no_reason_is_refused(
    held: Registry, model: str, version: int | None, reason: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        holds.place(held, model=model, version=version, reason=reason, by=ROOT)
    assert len(holds.page(held)) == 1


def test_what_was_erased_cannot_be_held(held: Registry) -> None:
    erasure.erase(held, model="digits", version=2, reason="DSR 7", by=ROOT)
    with pytest.raises(errors.Gone):
        holds.place(held, model="digits", version=2, reason="too late", by=ROOT)


def test_a_hold_that_is_not_there_is_not_found(held: Registry) -> None:
    with pytest.raises(errors.NotFound):
        holds.release(held, 99, reason="x", by=ROOT)
