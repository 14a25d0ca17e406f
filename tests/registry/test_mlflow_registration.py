"""Versions on their way from pending to ready or failed, on each database."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import func, inspect, select, update

from registry import errors
from registry.core.canonical import Json
from registry.db import migrate, retention, tables, tables_artifacts
from registry.db.tables_artifacts import Registration, RegistrationFile
from registry.store.blobs import BlobStore, Stored
from registry.usecases import (
    aliases,
    artifacts,
    catalogue,
    deletion,
    holds,
    listing,
    registered_models,
    registration,
    reports,
    settling,
    sweep,
)
from registry.usecases.opening import Registry
from registry.usecases.registration import Wanted
from registry.usecases.sweep import Grace
from tests.registry.conftest import ROOT
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

FILES = {"model.onnx": onnx_model(), "MLmodel": b"flavors: {}\n"}


def stage(registry: Registry, folder: str, files: dict[str, bytes]) -> str:
    """As if uploaded by MLflow's client."""
    store(registry, files)
    for path, content in files.items():
        stored = Stored(digest_of(content), len(content))
        artifacts.point(registry, f"{folder}/{path}", stored, ALICE)
    return f"mlflow-artifacts:/{folder}"


def signed(files: dict[str, bytes], alice: Publisher) -> dict[str, bytes]:
    return files | {"model.sig": json.dumps(alice.bundle(files)).encode()}


@pytest.fixture
def source(registry: Registry, alice: Publisher) -> str:
    registered_models.create(registry, "digits", description="", tags={}, by=ALICE)
    return stage(registry, "candidate", signed(FILES, alice))


def register(registry: Registry, source: str, **said: Any) -> int:
    return registration.register(registry, Wanted("digits", source, **said), ALICE).row.version


def settle(registry: Registry) -> None:
    while settling.settle_next(registry, "tester"):
        pass


def outcome(registry: Registry, number: int = 1) -> tuple[str, str]:
    found = catalogue.version(registry, "digits", number)
    return found.status, found.status_message


def test_what_is_uploaded_later_does_not_change_what_is_being_checked(
    registry: Registry, source: str, alice: Publisher
) -> None:
    register(registry, source)
    stage(registry, "candidate", {"model.onnx": onnx_model(2.0), "MLmodel": b"other"})
    artifacts.remove(registry, "candidate/MLmodel")
    settle(registry)
    assert outcome(registry) == ("ready", "")
    files = catalogue.version(registry, "digits", 1).variants[0].files
    assert {file.path: file.digest for file in files} == {
        path: digest_of(content) for path, content in FILES.items()
    }


def test_bytes_of_a_pending_version_are_referred_to_until_it_is_settled(
    registry: Registry, source: str
) -> None:
    register(registry, source)
    artifacts.remove(registry, "candidate")
    digests = [digest_of(content) for content in FILES.values()]
    with registry.database.reading() as session:
        assert retention.referrers_of(session, digests) == {
            digest: ["a version being checked"] for digest in digests
        }
    settle(registry)
    with registry.database.reading() as session:
        found = retention.referrers_of(session, digests)
        assert found == {digest: ["a version"] for digest in digests}
        assert session.scalar(select(func.count()).select_from(RegistrationFile)) == 0


REFUSED = {
    "mlflow-artifacts:/nowhere": "nothing was uploaded to",
    "mlflow-artifacts:/candidate/../x": "is not allowed",
    "mlflow-artifacts://elsewhere/m": "names the server",
    "mlflow-artifacts:/models/other/1": "has no version",
    "/home/me/model": "a path on somebody's disk",
    "file:///home/me/model": "a path on somebody's disk",
    "s3://bucket/model": "kept elsewhere (s3:)",
    "https://example.org/model": "kept elsewhere (https:)",
    "runs:/r1/model": "has uploaded nothing below",
    "runs:/": "not of the form runs:/",
    "models:/digits/99": "has no version 99",
    "models:/digits/0": "counted from 1",
    "models:/other/1": "no registered model 'other'",
    "models:/digits@champion": "has no alias 'champion'",
    "models:/digits/Production": "names a stage",
    "models:/digits/latest": "has no version that is ready",
    "models:/m-0123456789abcdef": "a logged model",
    "mlflow-artifacts://[": "is not an address",
}


def test_sources_that_hold_nothing_to_check_fail_with_what_to_do(
    registry: Registry, source: str
) -> None:
    numbers = {said: register(registry, said) for said in REFUSED}
    assert {outcome(registry, number) for number in numbers.values()} == {("pending", "")}
    settle(registry)
    for said, number in numbers.items():
        status, message = outcome(registry, number)
        assert (status, REFUSED[said] in message) == ("failed", True), message


def test_a_run_s_artifacts_are_found_in_its_experiment_s_folder(
    registry: Registry, source: str, alice: Publisher
) -> None:
    stage(registry, "7/abc/artifacts/model", signed(FILES, alice))
    register(registry, "runs:/abc/model", run_id="abc")
    settle(registry)
    assert outcome(registry) == ("ready", "")


@pytest.mark.parametrize("where", ["candidate.sig", "model.sig"])
def test_the_signature_may_be_beside_the_folder(
    registry: Registry, source: str, alice: Publisher, where: str
) -> None:
    stage(registry, "beside/candidate", FILES)
    stage(registry, "beside", {where: json.dumps(alice.bundle(FILES)).encode()})
    register(registry, "mlflow-artifacts:/beside/candidate")
    settle(registry)
    assert outcome(registry) == ("ready", "")


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (b"not json", "not valid JSON"),
        (b"{}", "signature bundle"),
        (json.dumps(Publisher("mallory").bundle(FILES)).encode(), "unknown key"),
    ],
)
def test_a_signature_that_does_not_hold_fails_the_version(
    registry: Registry, source: str, signature: bytes, reason: str
) -> None:
    register(registry, stage(registry, "bad", FILES | {"model.sig": signature}))
    settle(registry)
    status, message = outcome(registry)
    assert (status, reason in message) == ("failed", True), message


def test_a_file_more_than_was_signed_fails_the_version(registry: Registry, source: str) -> None:
    stage(registry, "candidate", {"more.txt": b"smuggled"})
    register(registry, source)
    settle(registry)
    assert "'more.txt' is not covered" in outcome(registry)[1]


def test_numbers_given_out_at_once_are_unique_and_all_get_settled(
    registry: Registry, source: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: register(registry, source), range(16)))
    assert sorted(numbers) == list(range(1, 17))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: settle(registry), range(3)))
    assert {outcome(registry, number)[0] for number in numbers} == {"ready"}


def test_an_alias_that_many_set_at_once_points_at_one_of_theirs(
    registry: Registry, source: str
) -> None:
    numbers = [register(registry, source) for _ in range(4)]
    settle(registry)

    def point(number: int) -> None:
        aliases.move(registry, aliases.Move("digits", "champion", number, "race"), ALICE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(point, numbers))
    found, page = listing.moves(registry, "digits", "champion")
    history = page.items
    assert found.version == history[0].version
    assert sorted(move.version or 0 for move in history) == numbers
    assert [move.previous for move in history] == [*(m.version for m in history[1:]), None]


def test_two_checkers_share_the_work_and_do_nothing_twice(registry: Registry, source: str) -> None:
    register(registry, source)
    task = settling._take(registry, "first")
    assert task is not None
    assert settling.settle_next(registry, "second") is False
    _expire_leases(registry)
    assert settling.settle_next(registry, "second") is True
    assert outcome(registry) == ("ready", "")
    with pytest.raises(errors.Conflict, match="is ready"):
        settling.publish.complete(
            registry, settling.checking.check(registry, settling._draft(registry, task)), ALICE
        )


class Troubled:
    """The registry's blob store, with something that happens before any size is told."""

    def __init__(self, registry: Registry, trouble: Callable[[], None]) -> None:
        self._blobs = registry.blobs
        self._trouble = trouble

    def __getattr__(self, name: str) -> Any:
        if name == "size":
            self._trouble()
        return getattr(self._blobs, name)


def troubled(registry: Registry, trouble: Callable[[], None]) -> Registry:
    return replace(registry, blobs=cast("BlobStore", Troubled(registry, trouble)))


def test_a_version_is_held_for_as_long_as_its_check_takes(registry: Registry, source: str) -> None:
    limits = replace(registry.settings.limits, registration_lease=1.0)
    hasty = replace(registry, settings=replace(registry.settings, limits=limits))
    register(registry, source)
    until: list[datetime] = []

    def wait_for_renewal() -> None:
        until.append(_due(registry))
        for _ in range(600):
            if _due(registry) > until[0]:
                return
            time.sleep(0.05)

    settle(troubled(hasty, wait_for_renewal))
    assert _due(registry) > until[0]
    assert outcome(registry) == ("ready", "")


def test_a_store_that_is_away_puts_the_check_off_and_it_is_bounded(
    registry: Registry, source: str
) -> None:
    def away() -> None:
        raise errors.Unavailable("the store does not answer")

    register(registry, source)
    register(registry, source)
    for _ in range(settling.ATTEMPTS - 1):
        _expire_leases(registry, 1)
        with pytest.raises(errors.Unavailable):
            settling.settle_next(troubled(registry, away), "tester")
        assert outcome(registry) == ("pending", "")
    _expire_leases(registry, 1)
    assert settling.settle_next(troubled(registry, away), "tester") is True
    assert outcome(registry) == ("failed", "the store does not answer")
    settle(registry)
    assert outcome(registry, 2) == ("ready", "")


def test_a_defect_in_the_check_is_raised_and_in_the_end_fails_the_version(
    registry: Registry, source: str
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    register(registry, source)
    for _ in range(settling.ATTEMPTS):
        _expire_leases(registry)
        with pytest.raises(ZeroDivisionError):
            settling.settle_next(troubled(registry, broken), "tester")
    assert outcome(registry) == ("failed", "the check broke off 5 times; ask an admin")
    assert settling.settle_next(registry, "tester") is False


def test_a_check_that_takes_its_process_with_it_each_time_is_given_up(
    registry: Registry, source: str
) -> None:
    register(registry, source)
    for _ in range(settling.BEGINNINGS):
        _expire_leases(registry)
        assert settling._take(registry, "killed") is not None  # and no more of it
    assert outcome(registry) == ("pending", "")
    _expire_leases(registry)
    assert settling.settle_next(registry, "tester") is True
    said = "its check was begun 10 times and never ended; ask an admin"
    assert outcome(registry) == ("failed", said)


@pytest.mark.parametrize("end", ["deleted", "killed"])
def test_what_a_version_was_frozen_as_goes_with_a_sweep_where_no_checker_lets_go_of_it(
    registry: Registry, source: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Registry) -> None:
        raise KeyboardInterrupt

    register(registry, source)
    artifacts.remove(registry, "candidate")
    if end == "killed":  # right after it has settled the version
        monkeypatch.setattr(settling, "tidy", killed)
        with pytest.raises(KeyboardInterrupt):
            settle(registry)
    deletion.delete_version(registry, "digits", 1, ALICE)
    settle(registry)
    for _ in range(2):
        sweep.sweep(registry, Grace.of(0))
    assert [registry.blobs.size(digest_of(content)) for content in FILES.values()] == [None, None]


def test_a_version_deleted_while_it_is_pending_stays_deleted(
    registry: Registry, source: str
) -> None:
    register(registry, source)
    task = settling._take(registry, "tester")
    assert task is not None
    deletion.delete_version(registry, "digits", 1, ALICE)
    with pytest.raises(errors.Conflict, match="expired"):
        settling.publish.complete(
            registry, settling.checking.check(registry, settling._draft(registry, task)), ALICE
        )
    settling.tidy(registry)
    with pytest.raises(errors.NotFound):
        registered_models.version(registry, "digits", "1")
    with registry.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(RegistrationFile)) == 0


def test_what_is_deployed_held_or_protected_is_not_deleted(registry: Registry, source: str) -> None:
    register(registry, source)
    settle(registry)
    hold = holds.place(registry, model="digits", version=1, reason="trial", by=ROOT)
    with pytest.raises(errors.Conflict, match="legal hold"):
        deletion.delete_version(registry, "digits", 1, ALICE)
    with pytest.raises(errors.Conflict, match="legal hold"):
        deletion.delete_model(registry, "digits", ALICE)
    holds.release(registry, hold.id, reason="over", by=ROOT)

    desired: dict[str, Json] = {"model": "digits", "version": 1}
    status: dict[str, Json] = {"desired": desired, "hosts": []}
    reports.set_status(registry, environment="prod", name="digits", document=status, by=ROOT)
    with pytest.raises(errors.Conflict, match="is deployed"):
        deletion.delete_version(registry, "digits", 1, ALICE)
    reports.drop_status(registry, environment="prod", name="digits")
    deletion.delete_version(registry, "digits", 1, ALICE)
    assert outcome(registry) == ("expired", "deleted by publisher:alice-ci")


def test_a_name_never_means_two_models(registry: Registry) -> None:
    def create(name: str) -> registered_models.Done | registered_models.Taken:
        return registered_models.create(registry, name, description="", tags={}, by=ALICE)

    first, second = create("Fraud (EU)"), create("fraud eu")
    assert isinstance(first, registered_models.Done)
    assert isinstance(second, registered_models.Done)
    assert (first.model.row.name, second.model.row.name) == ("fraud-eu", "fraud-eu-2")
    for name in ("fraud-eu", "fraud-eu-2", "fraud eu"):
        assert isinstance(create(name), registered_models.Taken)
    renamed = registered_models.rename(registry, "fraud eu", "fraud-eu", ALICE)
    assert renamed == registered_models.Taken(
        "Registered Model (name=fraud-eu) already exists. It is the slug of 'Fraud (EU)'."
    )
    assert registered_models.slug(registry, "fraud-eu") == "fraud-eu"
    assert isinstance(create("模型"), registered_models.Done)
    assert registered_models.slug(registry, "模型") == "model"


def test_a_model_that_many_make_at_once_is_made_once(registry: Registry) -> None:
    def create(_: int) -> bool:
        made = registered_models.create(registry, "Digits", description="", tags={}, by=ALICE)
        return isinstance(made, registered_models.Done)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == [False] * 7 + [True]


def test_folders_of_any_depth_are_listed_by_what_is_directly_in_them(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.db import artifacts as rows

    monkeypatch.setattr(rows, "_TOGETHER", 2)
    paths = [*(f"a/deep/{n}/x" for n in range(5)), "a/b.txt", "a.txt", "a/Z", "a/z", "a/é", "c/d"]
    for path in paths:
        stage(registry, path.rpartition("/")[0] or "root", {path.rpartition("/")[2]: b"x"})
    names = [child.name for child in artifacts.children(registry, "a")]
    assert names == ["Z", "b.txt", "deep", "z", "é"]
    assert [child.name for child in artifacts.children(registry, "")] == ["a", "c", "root"]
    assert len(artifacts.children(registry, "a/deep")) == 5
    with pytest.raises(errors.Conflict, match="cannot be a file"):
        artifacts.require_free(registry, "a/deep")
    with pytest.raises(errors.Conflict, match="cannot be a file"):
        artifacts.require_free(registry, "a/z/below")
    assert artifacts.remove(registry, "a/deep") == 5


def _expire_leases(registry: Registry, number: int | None = None) -> None:
    """As if whoever holds them had died long ago."""
    past = datetime(2020, 1, 1, tzinfo=UTC)
    statement = update(Registration).values(due_at=past)
    if number is not None:
        ids = select(tables.Version.id).where(tables.Version.version == number)
        statement = statement.where(Registration.version_id.in_(ids))
    with registry.database.writing() as session:
        session.execute(statement)
        session.commit()


def _due(registry: Registry) -> datetime:
    with registry.database.reading() as session:
        return session.scalars(select(tables_artifacts.Registration.due_at)).one()


def test_the_schema_goes_down_and_up_with_artifacts_and_pending_versions_in_it(
    registry: Registry, source: str
) -> None:
    register(registry, source)
    register(registry, source)
    settling.settle_next(registry, "tester")
    migrate.to(registry.database, "0006")
    with registry.database.reading() as session:
        assert not {"artifacts", "registrations"} & set(
            inspect(session.connection()).get_table_names()
        )
    migrate.to(registry.database, "base")
    migrate.to_head(registry.database)
    assert artifacts.children(registry, "") == []
