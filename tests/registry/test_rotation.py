"""Migration and rotation: clear blobs become encrypted, headers get another key; kill -9 or no."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from registry import errors
from registry.core.entries import Kind
from registry.db.tables import Blob
from registry.settings import Encryption, Settings
from registry.store.encrypted import EncryptedStore
from registry.usecases import catalogue, encrypting, keyring, opening, rotation, sweep, transfers
from registry.usecases.opening import Registry
from tests.registry.keeping import ROOT
from tests.registry.publishing import digest_of
from tests.registry.test_encryption import BY_FILE, content, keys_of, on_disk, payload

ROOT_FOLDER = Path(__file__).parents[2]
MARK = b"a clear byte"


def blob(number: int, size: int = 300_000) -> bytes:
    return (MARK + str(number).encode()) * (size // 14)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", encryption=BY_FILE)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """A registry with eight clear blobs, and encryption switched on."""
    clear = opening.open_registry(replace(settings, encryption=Encryption()))
    for number in range(8):
        transfers.put(clear, blob(number))
    clear.close()
    return settings


@pytest.fixture
def registry(filled: Settings) -> Iterator[Registry]:
    opened = opening.open_registry(filled)
    yield opened
    opened.close()


def encrypted(registry: Registry) -> EncryptedStore:
    assert registry.encrypted is not None
    return registry.encrypted


def all_is_readable(registry: Registry, count: int = 8) -> bool:
    return all(content(registry, digest_of(blob(n))) == blob(n) for n in range(count))


def config_of(settings: Settings) -> Path:
    file = settings.data_dir.parent / "plimsoll.toml"
    file.write_text(f'[registry]\ndata = "{settings.data_dir}"\nencryption = "file"\n')
    return file


def running(settings: Settings, *command: str) -> "subprocess.Popen[bytes]":
    arguments = ["admin", *command, "--config", str(config_of(settings))]
    return subprocess.Popen(
        [sys.executable, "-m", "registry.cli", *arguments], cwd=ROOT_FOLDER,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def killed_again_and_again(settings: Settings, *command: str) -> int:
    """Kill the command at moments of chance until it ends by itself; says how often."""
    first = time.monotonic()
    done = running(settings, "gc")
    done.communicate()
    start_up = time.monotonic() - first
    for number in range(12):
        process = running(settings, *command)
        time.sleep(start_up * (0.5 + random.random()))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        said = process.communicate()[0]
        assert process.returncode in (0, -signal.SIGKILL), said
        opened = opening.open_registry(settings)
        assert all_is_readable(opened)
        opened.close()
        if process.returncode == 0:
            return number
    process = running(settings, *command)
    assert process.communicate()[0]
    assert process.returncode == 0
    return 12


def test_what_was_clear_is_encrypted_readable_all_the_while_and_the_clear_bytes_go(
    registry: Registry,
) -> None:
    assert all_is_readable(registry)
    done = encrypting.encrypt(registry, ROOT)
    assert (done.count, done.damaged) == (8, [])
    assert all_is_readable(registry)
    assert list(encrypted(registry).clear.digests()) == []
    assert MARK not in on_disk(Path(registry.settings.blobs))
    assert catalogue.latest(registry, limit=1)[0].entry.detail["blobs"] == 8
    assert encrypting.encrypt(registry, ROOT).count == 0


def test_a_migration_that_is_killed_anywhere_goes_on_and_loses_nothing(filled: Settings) -> None:
    killed_again_and_again(filled, "encrypt")
    opened = opening.open_registry(filled)
    assert list(encrypted(opened).clear.digests()) == []
    assert MARK not in on_disk(Path(filled.blobs) / "age" / "sha256")
    opened.close()


def test_clear_bytes_beside_their_encrypted_copy_are_removed(registry: Registry) -> None:
    """As a crash leaves them between the two."""
    encrypted(registry).put(blob(0), digest_of(blob(0)))
    before = payload(registry, digest_of(blob(0))).read_bytes()
    assert encrypted(registry).clear.size(digest_of(blob(0))) is not None
    encrypting.encrypt(registry, ROOT)
    assert encrypted(registry).clear.size(digest_of(blob(0))) is None
    assert payload(registry, digest_of(blob(0))).read_bytes() == before


def test_a_damaged_clear_blob_is_named_and_stays_as_it_is(registry: Registry) -> None:
    digest = digest_of(blob(0))
    name = digest.removeprefix("sha256:")
    file = Path(registry.settings.blobs) / "sha256" / name[:2] / name
    file.chmod(0o600)
    file.write_bytes(b"damaged")
    done = encrypting.encrypt(registry, ROOT)
    assert (done.count, done.damaged) == (7, [digest])
    assert file.read_bytes() == b"damaged"


def test_what_is_about_to_be_erased_is_not_brought_back_by_a_migration(registry: Registry) -> None:
    digest = digest_of(blob(0))
    with registry.database.writing() as session:
        session.execute(
            update(Blob).where(Blob.digest == digest).values(condemned_at=sweep.AT_ONCE)
        )
        session.commit()
    assert encrypting.encrypt(registry, ROOT).count == 7
    sweep.purge(registry)
    assert registry.blobs.size(digest) is None
    assert digest not in keys_of(registry)


def test_rotation_changes_every_header_and_no_byte_of_a_payload(registry: Registry) -> None:
    encrypting.encrypt(registry, ROOT)
    digests = [digest_of(blob(number)) for number in range(8)]
    before = {digest: payload(registry, digest).read_bytes() for digest in digests}
    stamps = {digest: payload(registry, digest).stat().st_mtime_ns for digest in digests}
    old = {digest: row.header for digest, row in keys_of(registry).items()}
    old_keys = registry.settings.key_file.read_text()
    done = rotation.rotate(registry, ROOT)
    assert (done.headers, done.is_new) == (8, True)
    new = keys_of(registry)
    assert {digest: payload(registry, digest).read_bytes() for digest in digests} == before
    assert {d: payload(registry, d).stat().st_mtime_ns for d in digests} == stamps
    assert all(new[digest].header != old[digest] for digest in digests)
    assert {row.wrapped_by for row in new.values()} == {done.key}
    assert all_is_readable(registry)
    entry = catalogue.latest(registry, limit=1)[0].entry
    assert (entry.kind, entry.detail["headers"]) == (Kind.KEYS_ROTATED, 8)
    identities = re.findall("AGE-SECRET-KEY-1[A-Z0-9]+", registry.settings.key_file.read_text())
    assert identities[1:] == re.findall("AGE-SECRET-KEY-1[A-Z0-9]+", old_keys)


def test_the_old_key_reads_until_the_rotation_is_finished_and_not_after_it_is_retired(
    registry: Registry,
) -> None:
    encrypting.encrypt(registry, ROOT)
    saved = keys_of(registry)[digest_of(blob(0))].header
    keyring = registry.keyring
    assert keyring is not None
    old = keyring.provider.current()
    new = keyring.provider.rotate()  # as a rotation that was killed at once leaves it
    assert new != old
    assert all_is_readable(registry)
    with pytest.raises(errors.Conflict, match="8 blobs' keys"):
        rotation.retire(registry, ROOT)
    finished = rotation.rotate(registry, ROOT)
    assert (finished.key, finished.headers, finished.is_new) == (new, 8, False)
    assert rotation.retire(registry, ROOT) == new
    again = opening.open_registry(registry.settings)
    assert all_is_readable(again)
    assert again.keyring is not None
    with pytest.raises(errors.DecryptionFailed):
        again.keyring.read(saved)
    again.close()


def test_nothing_is_acknowledged_whose_key_was_retired_while_it_came(
    registry: Registry,
) -> None:
    large, store = blob(99), encrypted(registry)

    def slowly(*, is_retired: bool) -> Iterator[bytes]:
        yield large[:1000]
        rotation.rotate(registry, ROOT)
        if is_retired:
            rotation.retire(registry, ROOT)
        else:
            time.sleep(2 * keyring.YOUNG_S)
        yield large[1000:]

    def put(pieces: Iterator[bytes]) -> None:
        store.write(pieces, digest_of(large), most=len(large), claim=registry.claims.make)

    with pytest.raises(errors.Unavailable, match="retired while it came"):
        put(slowly(is_retired=True))
    assert keys_of(registry) == {}
    put(slowly(is_retired=False))
    again = opening.open_registry(registry.settings)
    assert content(again, digest_of(large)) == large
    again.close()


def test_another_process_sees_the_new_key_at_once(registry: Registry) -> None:
    other = opening.open_registry(registry.settings)
    encrypting.encrypt(registry, ROOT)
    done = rotation.rotate(registry, ROOT)
    transfers.put(other, b"stored by the other")
    assert keys_of(registry)[digest_of(b"stored by the other")].wrapped_by == done.key
    assert all_is_readable(other)
    other.close()


def test_a_rotation_that_is_killed_anywhere_goes_on_and_loses_nothing(filled: Settings) -> None:
    opened = opening.open_registry(filled)
    encrypting.encrypt(opened, ROOT)
    opened.close()
    killed_again_and_again(filled, "rotate-key")
    opened = opening.open_registry(filled)
    assert opened.keyring is not None
    wrapped_by = {row.wrapped_by for row in keys_of(opened).values()}
    assert wrapped_by == {opened.keyring.provider.current()}
    opened.close()


def test_without_encryption_there_is_nothing_to_migrate_or_to_rotate(tmp_path: Path) -> None:
    opened = opening.open_registry(Settings(tmp_path / "data"))
    for work in (encrypting.encrypt, rotation.rotate, rotation.retire):
        with pytest.raises(errors.InvalidConfig, match="encryption is off"):
            work(opened, ROOT)
    opened.close()
