"""Publishing: all or nothing, once, and never two truths under one number. On both databases."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from registry import errors
from registry.core import envelope
from registry.core.facts import Facts
from registry.core.oms import File
from registry.db import log as log_rows
from registry.db.tables import Table
from registry.settings import Settings
from registry.trust import sign
from registry.usecases import aliases, catalogue, listing, log, opening, publish, pull
from registry.usecases.access import Caller, Role
from registry.usecases.aliases import Move
from registry.usecases.checking import Draft
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

FILES = {"model.onnx": onnx_model()}
OTHER = {"model.onnx": onnx_model(2.0)}
EDGE = Caller(Role.HOST, "edge-1")


def rows_of(registry: Registry) -> dict[str, int]:
    """How many rows there are of all that publishing touches."""
    tables = ("models", "versions", "files", "blobs", "log_entries", "log_hashes")
    with registry.database.reading() as session:
        return {
            name: session.execute(
                select(func.count()).select_from(Table.metadata.tables[name])
            ).scalar_one()
            for name in tables
        }


def test_a_version_is_published_and_a_host_believes_it(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    published = publish.publish(registry, alice.draft(FILES), ALICE)
    assert (published.is_new, published.version.version) == (True, 1)
    sent = pull.bundle(registry, pull.Asked("digits", 1), EDGE)
    wanted = envelope.Wanted("digits", 1, published.version.digest)
    found = envelope.verify(sent, registry.trust_root(), wanted)
    assert isinstance(found, envelope.Verified)
    assert [file.path for file in found.files] == ["model.onnx"]


def test_what_the_scan_found_reaches_the_host_signed(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    published = publish.publish(registry, alice.draft(FILES), ALICE)
    sent = pull.bundle(registry, pull.Asked("digits", 1), EDGE)
    wanted = envelope.Wanted("digits", 1, published.version.digest)
    found = envelope.verify(sent, registry.trust_root(), wanted)
    assert isinstance(found, envelope.Verified)
    assert found.size == len(FILES["model.onnx"])
    assert found.scan["result"] == "passed"
    assert str(found.scan["scanner"]).startswith("plimsoll")
    assert found.scan["isolation"]
    assert isinstance(found.scan["facts"], dict)
    assert found.scan["facts"]["operations"] == 1


def test_the_model_signature_read_from_the_file_is_in_the_version(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    signature = publish.publish(registry, alice.draft(FILES), ALICE).version.variants[0].signature
    assert signature["inputs"] == [{"name": "x", "dtype": "float32", "shape": [None, 4]}]
    assert signature["outputs"] == [{"name": "y", "dtype": "float32", "shape": [None, 4]}]


def test_numbers_follow_each_other_and_may_jump_ahead(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    numbers = [
        publish.publish(registry, alice.draft(FILES, version=asked), ALICE).version.version
        for asked in (None, None, 7, None, 4)
    ]
    assert numbers == [1, 2, 7, 8, 4]


def test_publishing_the_very_same_version_again_returns_it(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    first = publish.publish(registry, alice.draft(FILES, version=3), ALICE)
    before = rows_of(registry)
    again = publish.publish(registry, alice.draft(FILES, version=3), ALICE)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.version.digest == first.version.digest
    assert rows_of(registry) == before


def test_the_same_number_with_other_bytes_is_a_conflict(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES | {"unused": OTHER["model.onnx"]})
    publish.publish(registry, alice.draft(FILES, version=1), ALICE)
    before = rows_of(registry)
    with pytest.raises(errors.Conflict, match="exists with other files"):
        publish.publish(registry, alice.draft(OTHER, version=1), ALICE)
    assert rows_of(registry) == before


def _renamed(draft: Draft, path: str) -> Draft:
    return replace(draft, files=tuple(replace(file, path=path) for file in draft.files))


BAD_DRAFTS: dict[str, tuple[Callable[[Draft], Draft], type[errors.PlimsollError]]] = {
    "path traversal": (lambda d: _renamed(d, "../../etc/passwd"), errors.InvalidName),
    "absolute path": (lambda d: _renamed(d, "/etc/passwd"), errors.InvalidName),
    "hidden git path": (lambda d: _renamed(d, ".git/config"), errors.InvalidName),
    "no files": (lambda d: replace(d, files=()), errors.InvalidInput),
    "file never uploaded": (
        lambda d: replace(d, files=(File("model.onnx", digest_of(b"nowhere"), 7),)),
        errors.InvalidInput,
    ),
    "wrong size": (
        lambda d: replace(d, files=(replace(d.files[0], size=1),)),
        errors.InvalidInput,
    ),
    "malformed digest": (
        lambda d: replace(d, files=(replace(d.files[0], digest="sha256:../../x"),)),
        errors.InvalidInput,
    ),
    "bad model name": (lambda d: replace(d, model="Digits/../x"), errors.InvalidName),
    "version zero": (lambda d: replace(d, version=0), errors.InvalidName),
    "no signature": (lambda d: replace(d, publisher_bundle={}), errors.InvalidInput),
    "stranger's signature": (
        lambda d: replace(d, publisher_bundle=Publisher("mallory").bundle(FILES)),
        errors.SignatureInvalid,
    ),
}


@pytest.mark.parametrize("flaw", BAD_DRAFTS)
def test_a_bad_draft_is_refused_and_nothing_is_stored(
    registry: Registry, alice: Publisher, flaw: str
) -> None:
    store(registry, FILES)
    before = rows_of(registry)
    spoil, expected = BAD_DRAFTS[flaw]
    with pytest.raises(expected):
        publish.publish(registry, spoil(alice.draft(FILES)), ALICE)
    assert rows_of(registry) == before


@pytest.mark.parametrize("flaw", ["truncated", "not a model", "another format"])
def test_a_file_that_is_no_such_model_is_refused(
    registry: Registry, alice: Publisher, flaw: str
) -> None:
    good = FILES["model.onnx"]
    data = {
        "truncated": good[: len(good) // 2],
        "not a model": b"\x80\x04K*.",
        "another format": good,
    }
    files = {"model.onnx": data[flaw]}
    store(registry, files)
    before = rows_of(registry)
    draft = alice.draft(files)
    with pytest.raises(errors.UnsafeModel):
        publish.publish(
            registry,
            replace(draft, format="saved_model") if flaw == "another format" else draft,
            ALICE,
        )
    assert rows_of(registry) == before
    assert not list(registry.settings.data_dir.glob("inspect-*"))


def test_concurrent_publishers_lose_no_update(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    gate, failures = threading.Barrier(6), []

    def work(number: int) -> None:
        gate.wait()
        try:
            publish.publish(registry, alice.draft(FILES), Caller(Role.PUBLISHER, f"ci-{number}"))
        except errors.PlimsollError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = catalogue.model(registry, "digits")
    assert [version.version for version in found.versions] == [6, 5, 4, 3, 2, 1]
    assert sorted(version.variants[0].log_index for version in found.versions) == list(range(6))
    assert log.size(registry) == 6


def test_of_two_publishers_of_one_number_one_wins(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES | {"unused": OTHER["model.onnx"]})
    gate, results = threading.Barrier(2), []

    def work(files: dict[str, bytes]) -> None:
        gate.wait()
        try:
            found = publish.publish(registry, alice.draft(files, version=1), ALICE)
            results.append(found.version.digest)
        except errors.Conflict:
            results.append("conflict")

    threads = [threading.Thread(target=work, args=(files,)) for files in (FILES, OTHER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [result for result in results if result != "conflict"]
    assert catalogue.version(registry, "digits", 1).digest == winner
    assert log.size(registry) == 1


def test_a_log_that_cannot_be_written_rolls_everything_back(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    with registry.database.writing() as session:
        # What the next append wants to write is there already: its insert must fail.
        session.execute(text("INSERT INTO log_hashes VALUES (0, 0, :h)"), {"h": bytes(32)})
        session.commit()
    before = rows_of(registry)
    with pytest.raises(errors.Conflict):
        publish.publish(registry, alice.draft(FILES), ALICE)
    with pytest.raises(errors.NotFound):
        catalogue.model(registry, "digits")
    assert rows_of(registry) == before
    assert log.size(registry) == 0


def test_a_pull_that_cannot_be_logged_does_not_happen(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    with registry.database.writing() as session:
        session.execute(text("INSERT INTO log_hashes VALUES (0, 1, :h)"), {"h": bytes(32)})
        session.commit()
    with pytest.raises(errors.Conflict):
        pull.bundle(registry, pull.Asked("digits", 1), EDGE)


def test_a_lost_race_for_the_head_is_a_conflict(registry: Registry) -> None:
    with registry.database.writing() as session, pytest.raises(errors.Conflict):
        log_rows.move_head(session, old_size=5, new_size=6, checkpoint="never")


def test_an_alias_moves_and_remembers(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    for _ in range(2):
        publish.publish(registry, alice.draft(FILES), ALICE)
    for number in (1, 2, 2, None):
        aliases.move(registry, Move("digits", "champion", number, f"to {number}"), ALICE)
    with pytest.raises(errors.NotFound):
        listing.moves(registry, "digits", "champion")
    aliases.move(registry, Move("digits", "champion", 1, "back"), ALICE)
    found, history = listing.moves(registry, "digits", "champion")
    assert found.version == 1
    assert [(move.previous, move.version) for move in history.items] == [
        (None, 1),
        (2, None),
        (1, 2),
        (None, 1),
    ]
    kinds = [logged.entry.kind for logged in catalogue.latest(registry, limit=4)]
    assert kinds == ["alias_moved", "alias_removed", "alias_moved", "alias_moved"]


@pytest.mark.parametrize("alias", ["latest", "v2", "9lives", "a b", ""])
def test_an_alias_that_could_be_a_version_is_refused(registry: Registry, alias: str) -> None:
    with pytest.raises(errors.InvalidName):
        aliases.move(registry, Move("digits", alias, 1, "x"), ALICE)


def test_an_alias_of_a_version_that_is_not_there_is_not_found(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    with pytest.raises(errors.NotFound):
        aliases.move(registry, Move("digits", "champion", 9, "x"), ALICE)
    assert log.size(registry) == 1


def test_a_registry_statement_cannot_come_from_the_publisher_key(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    draft = alice.draft(FILES)
    forged = sign.sign_model("digits", draft.files, registry.signing_key)
    with pytest.raises(errors.SignatureInvalid):
        publish.publish(registry, replace(draft, publisher_bundle=forged), ALICE)


def test_a_full_database_disk_is_said_and_nothing_is_half_stored(
    full_disk: Path, tmp_path: Path, alice: Publisher
) -> None:
    url = f"sqlite:///{full_disk / 'registry.db'}"
    registry = opening.open_registry(Settings(data_dir=tmp_path / "data", database_url=url))
    alice.list_in(registry.settings.publishers_file)
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    before = rows_of(registry)
    fill_up(full_disk / "ballast")
    bulky = replace(alice.draft(FILES), facts=Facts(card="long " * 20_000))
    with pytest.raises(errors.StorageFull):
        publish.publish(registry, bulky, ALICE)
    assert rows_of(registry) == before
    (full_disk / "ballast").unlink()
    assert publish.publish(registry, bulky, ALICE).version.version == 2
    registry.close()


def fill_up(file: Path) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)
