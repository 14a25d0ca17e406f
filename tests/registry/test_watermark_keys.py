"""Master keys of watermarks: sealed at rest, one for each epoch, none lost by a rotation."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import update

from registry import errors
from registry.db import watermarks
from registry.db.tables_watermark import WatermarkKey
from registry.trust.sealing import Vault
from registry.usecases import catalogue, watermark_keys
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry

ADMIN = Caller(Role.ADMIN, "root")


def test_the_first_key_is_made_once_however_many_ask(registry: Registry) -> None:
    gate, found = threading.Barrier(4), []

    def ask() -> None:
        gate.wait()
        found.append(watermark_keys.current(registry))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(key.epoch, key.secret) for key in found} == {(1, found[0].secret)}
    assert len(found) == 4


def test_the_database_alone_does_not_give_the_key_away(registry: Registry) -> None:
    master = watermark_keys.current(registry)
    assert master.secret.hex() not in repr(master)
    with registry.database.reading() as session:
        sealed = watermarks.sealed_key(session, 1)
        assert sealed is not None
        assert master.secret not in sealed
        stranger = replace(registry, vault=Vault(bytes(32)))
        with pytest.raises(errors.IntegrityError, match="sealed with another key"):
            watermark_keys.of_epoch(session, stranger, 1)


def test_a_rotation_marks_with_a_new_key_keeps_the_old_and_is_logged(registry: Registry) -> None:
    old = watermark_keys.current(registry)
    assert watermark_keys.rotate(registry, ADMIN) == 2
    new = watermark_keys.current(registry)
    assert (new.epoch, new.secret == old.secret) == (2, False)
    with registry.database.reading() as session:
        assert watermark_keys.of_epoch(session, registry, 1).secret == old.secret
        with pytest.raises(errors.IntegrityError, match="epoch 3 is not in the database"):
            watermark_keys.of_epoch(session, registry, 3)
    [logged] = catalogue.latest(registry, limit=1)
    assert (logged.entry.kind, logged.entry.detail) == (
        "keys_rotated",
        {"purpose": "watermark", "epoch": 2},
    )


def test_a_key_that_was_put_in_another_ones_place_is_refused(registry: Registry) -> None:
    watermark_keys.current(registry)
    watermark_keys.rotate(registry, ADMIN)
    with registry.database.writing() as session:
        first = watermarks.sealed_key(session, 1)
        session.execute(update(WatermarkKey).where(WatermarkKey.epoch == 2).values(sealed=first))
        session.commit()
    with pytest.raises(errors.IntegrityError):
        watermark_keys.current(registry)
