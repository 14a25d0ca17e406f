"""Sweeping: what nobody refers to goes, in two steps; what somebody refers to never does."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from registry import errors
from registry.core.retention import Rule
from registry.db import leases
from registry.db import retention as rows_of_db
from registry.db.tables import Blob
from registry.db.tables_retention import Lease
from registry.settings import Settings
from registry.usecases import erasure, opening, retention, sweep, transfers
from registry.usecases.opening import Registry
from registry.usecases.sweep import Grace
from tests.registry.keeping import (
    AT_ONCE,
    ROOT,
    digests_of,
    make_older,
    publish_one,
    publish_some,
    stored,
    with_rules,
)
from tests.registry.publishing import Publisher, digest_of

DAY = Grace.of(24)
STRAY = b"uploaded, and never published"


@pytest.fixture
def littered(registry: Registry, alice: Publisher) -> Registry:
    """Two old versions, and bytes that nobody refers to."""
    transfers.put(registry, STRAY)
    publish_some(registry, alice, 2)
    return registry


def rows(registry: Registry) -> dict[str, datetime | None]:
    """Every claim, and since when it is condemned."""
    with registry.database.reading() as session:
        found = session.execute(select(Blob.digest, Blob.condemned_at))
        return dict(found.all())


def let_time_pass(registry: Registry, hours: float) -> None:
    with registry.database.writing() as session:
        for row in session.scalars(select(Blob)):
            row.used_at -= timedelta(hours=hours)
            if row.condemned_at is not None:
                row.condemned_at -= timedelta(hours=hours)
        session.commit()


def test_what_nobody_refers_to_goes_in_two_steps(littered: Registry) -> None:
    stray = digest_of(STRAY)
    first = sweep.sweep(littered, DAY)
    assert (first.condemned.first, first.removed.count) == ([stray], 0)
    assert stray in stored(littered)
    waiting = sweep.sweep(littered, DAY)
    assert (waiting.waiting.first, waiting.removed.count) == ([stray], 0)
    let_time_pass(littered, 2)
    second = sweep.sweep(littered, DAY)
    assert (second.removed.first, second.removed.size) == ([stray], len(STRAY))
    assert stored(littered) == rows(littered).keys() == digests_of(1) | digests_of(2)


def test_a_dry_run_says_what_would_go_and_changes_nothing(littered: Registry) -> None:
    before = rows(littered)
    dry = sweep.look(littered, DAY)
    assert (dry.condemned.first, dry.condemned.size) == ([digest_of(STRAY)], len(STRAY))
    assert rows(littered) == before
    sweep.sweep(littered, DAY)
    assert sweep.look(littered, DAY).waiting.first == [digest_of(STRAY)]
    let_time_pass(littered, 2)
    assert sweep.look(littered, DAY).removed.first == [digest_of(STRAY)]
    assert digest_of(STRAY) in stored(littered)


def test_fresh_bytes_are_left_alone(littered: Registry) -> None:
    fresh = transfers.put(littered, b"just uploaded").digest
    sweep.sweep(littered, DAY)
    assert rows(littered)[fresh] is None


@pytest.mark.parametrize("wish", ["uploaded again", "mounted"])
def test_whoever_wants_condemned_bytes_pardons_them(littered: Registry, wish: str) -> None:
    stray = digest_of(STRAY)
    sweep.sweep(littered, DAY)
    if wish == "mounted":
        assert transfers.hold(littered, stray)
    else:
        transfers.put(littered, STRAY)
    let_time_pass(littered, 2)
    assert sweep.sweep(littered, DAY).removed.count == 0
    assert stray in stored(littered)


def test_condemned_bytes_are_published_without_uploading_them_again(
    registry: Registry, alice: Publisher
) -> None:
    publish_some(registry, alice, 1)
    ruled = with_rules(registry, Rule("*", keep_days=1))
    retention.apply(ruled, retention.plan(ruled), ROOT)
    sweep.sweep(registry, DAY)
    assert all(rows(registry).values())
    publish_one(registry, alice, 1)
    let_time_pass(registry, 48)
    sweep.sweep(registry, DAY)
    assert stored(registry) == digests_of(1)


def test_a_sentence_on_bytes_that_are_referred_to_is_lifted(littered: Registry) -> None:
    with littered.database.writing() as session:
        session.execute(update(Blob).values(condemned_at=sweep.AT_ONCE))
        session.commit()
    assert sweep.sweep(littered, AT_ONCE).removed.first == [digest_of(STRAY)]
    assert rows(littered) == dict.fromkeys(digests_of(1) | digests_of(2))


def test_an_expired_versions_own_bytes_go_and_shared_ones_stay(littered: Registry) -> None:
    ruled = with_rules(littered, Rule("*", keep_last=1))
    retention.apply(ruled, retention.plan(ruled), ROOT)
    sweep.sweep(littered, AT_ONCE)
    assert stored(littered) == digests_of(2)


def test_bytes_without_a_row_are_found_and_go_later(littered: Registry) -> None:
    unlisted = digest_of(b"from nowhere")
    littered.blobs.put(b"from nowhere", unlisted)
    assert sweep.look(littered, DAY).adopted.first == [unlisted]
    assert sweep.sweep(littered, DAY).adopted.first == [unlisted]
    make_older(littered, days=2)
    for _ in range(2):
        sweep.sweep(littered, DAY)
        let_time_pass(littered, 2)
    assert unlisted not in stored(littered) | rows(littered).keys()


def test_a_claim_on_bytes_that_never_came_goes_too(littered: Registry) -> None:
    littered.blobs.delete(digest_of(STRAY))
    done = sweep.sweep(littered, AT_ONCE)
    assert done.missing.count == 0
    assert digest_of(STRAY) not in rows(littered)


def test_lost_bytes_of_a_version_are_damage_and_stay_on_the_books(littered: Registry) -> None:
    [lost, *_] = digests_of(2) - digests_of(1)
    littered.blobs.delete(lost)
    assert sweep.look(littered, DAY).missing.first == [lost]
    assert sweep.sweep(littered, AT_ONCE).missing.first == [lost]
    assert lost in rows(littered)


def test_a_lease_keeps_all_bytes_where_they_are(littered: Registry) -> None:
    now = datetime.now(UTC)
    lease = Lease(
        id="1" * 32, purpose="backup", taken_by="admin:root", taken_at=now,
        expires_at=now + timedelta(minutes=5),
    )  # fmt: skip
    with littered.database.writing() as session:
        leases.take(session, lease)
        session.commit()
    done = sweep.sweep(littered, AT_ONCE)
    assert (done.removed.count, done.condemned.count) == (0, 1)
    assert done.leased == "backup by admin:root"
    with pytest.raises(errors.Busy, match="backup by admin:root"):
        erasure.erase(littered, model="digits", version=1, reason="DSR", by=ROOT)
    with littered.database.writing() as session:
        session.execute(delete(Lease))
        session.commit()
    assert sweep.sweep(littered, AT_ONCE).removed.count == 1


def test_what_a_killed_process_left_in_the_folder_goes_after_a_day(littered: Registry) -> None:
    folder = littered.settings.data_dir
    for name in ("inspect-x1", "sig-x1"):
        (folder / name).mkdir()
    left = [
        folder / "inspect-x1" / "model",
        folder / "sig-x1" / "model.sig",
        folder / "keys" / ".log.pem.0123abcd",
        folder / "blobs" / ".ready-1234",
    ]
    mine = [folder / ".hidden", folder / "keys" / "log.pem"]
    for file in (*left, mine[0]):
        file.write_bytes(b"12345")
    assert sweep.sweep(littered, DAY).leftovers.count == 0
    for file in (*left, *mine, folder / "inspect-x1", folder / "sig-x1"):
        os.utime(file, (time.time() - 90_000,) * 2)
    found = sweep.look(littered, DAY).leftovers
    assert (found.count, found.size) == (4, 20)
    assert sweep.sweep(littered, DAY).leftovers.count == 4
    assert not [file for file in left if file.exists()]
    assert all(file.exists() for file in mine)


def test_uploads_that_nobody_comes_back_for_go(littered: Registry) -> None:
    upload = transfers.begin(littered)
    [file] = (littered.settings.data_dir / "blobs" / "uploads").iterdir()
    os.utime(file, (time.time() - 90_000,) * 2)
    sweep.sweep(littered, DAY)
    with pytest.raises(errors.NotFound):
        transfers.offset(littered, upload)


def test_many_bytes_go_in_several_transactions(littered: Registry) -> None:
    for number in range(70):
        transfers.put(littered, b"%d" % number)
    done = sweep.sweep(littered, AT_ONCE)
    assert (done.removed.count, len(stored(littered))) == (71, 3)


def test_a_large_registry_is_compared_with_its_store_shelf_by_shelf(
    littered: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        littered.blobs.put(b"%d" % number, digest_of(b"%d" % number))
    [lost, *_] = digests_of(2) - digests_of(1)
    littered.blobs.delete(lost)
    monkeypatch.setattr(rows_of_db, "_SHELF", 0)
    done = sweep.sweep(littered, DAY)
    assert (done.adopted.count, done.missing.first) == (40, [lost])
    assert stored(littered) <= rows(littered).keys()


def test_an_object_store_is_swept_like_a_folder(
    tmp_path: Path, bucket: str, alice: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = opening.open_registry(Settings(tmp_path / "data", storage=bucket))
    alice.list_in(registry.settings.publishers_file)
    transfers.put(registry, STRAY)
    publish_some(registry, alice, 2)
    registry.blobs.put(b"from nowhere", digest_of(b"from nowhere"))
    [lost, *_] = digests_of(2) - digests_of(1)
    registry.blobs.delete(lost)
    first = sweep.sweep(registry, AT_ONCE)
    monkeypatch.setattr(rows_of_db, "_SHELF", 0)
    second = sweep.sweep(registry, AT_ONCE)
    left = stored(registry)
    registry.close()
    assert (first.removed.first, first.missing.first) == ([digest_of(STRAY)], [lost])
    assert first.adopted.first == second.removed.first == [digest_of(b"from nowhere")]
    assert left == (digests_of(1) | digests_of(2)) - {lost}
