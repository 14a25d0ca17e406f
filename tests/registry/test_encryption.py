"""A registry whose blobs are encrypted: what is on its disk, and what still works."""

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, update

from registry import configuration, errors
from registry.db import keys
from registry.db.keys import Row
from registry.db.tables_keys import BlobKey
from registry.settings import Encryption, Settings
from registry.trust.key_file import KeyFile
from registry.usecases import erasure, opening, rotation, sweep, transfers
from registry.usecases.opening import Registry
from registry.usecases.publish import publish
from tests.registry import spools
from tests.registry.keeping import AT_ONCE, ROOT, files_of, publish_one
from tests.registry.publishing import ALICE, Publisher, digest_of, onnx_model, store

SECRET = b"what must not be on any disk; " * 8000
DIGEST = digest_of(SECRET)
BY_FILE = Encryption(provider="file")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", listen=("127.0.0.1:0",), encryption=BY_FILE)


@pytest.fixture
def registry(settings: Settings, alice: Publisher) -> Iterator[Registry]:
    alice.list_in(settings.publishers_file)
    opened = opening.open_registry(settings)
    yield opened
    opened.close()


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def keys_of(registry: Registry) -> dict[str, BlobKey]:
    with registry.database.reading() as session:
        return {row.digest: row for row in session.scalars(select(BlobKey))}


def all_keys(registry: Registry) -> set[str]:
    with registry.database.reading() as session:
        return set(session.scalars(select(BlobKey.id)))


def payload(registry: Registry, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    return Path(registry.settings.blobs) / "age" / "sha256" / name[:2] / name


def content(registry: Registry, digest: str) -> bytes:
    async def read() -> bytes:
        size = registry.blobs.size(digest)
        assert size is not None
        return b"".join([block async for block in registry.blobs.read(digest, 0, size)])

    return asyncio.run(read())


def test_debians_age_opens_what_is_stored_with_the_key_file_alone(registry: Registry) -> None:
    transfers.put(registry, SECRET)
    age_file = keys_of(registry)[DIGEST].header + payload(registry, DIGEST).read_bytes()
    done = subprocess.run(
        ["age", "--decrypt", "-i", str(registry.settings.key_file)],
        input=age_file, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == SECRET


def test_no_byte_lies_clear_on_the_disk_neither_before_nor_after_an_upload_ends(
    registry: Registry,
) -> None:
    upload = transfers.begin(registry)
    asyncio.run(transfers.append(registry, upload, spools.flowing([SECRET])))
    assert SECRET[:30] not in on_disk(registry.settings.data_dir)
    transfers.finish(registry, upload, DIGEST)
    assert content(registry, DIGEST) == SECRET
    assert SECRET[:30] not in on_disk(registry.settings.data_dir)


def test_a_model_is_inspected_published_and_pulled_over_every_door(
    client_of_registry: Callable[[Settings], httpx2.Client], settings: Settings, alice: Publisher
) -> None:
    client = client_of_registry(settings)
    model = onnx_model()
    digest = digest_of(model)
    for data in (model, SECRET):
        client.post(f"/v1/uploads?digest={digest_of(data)}", content=data).raise_for_status()
    files = {"model.onnx": model, "labels.txt": SECRET}
    published = client.post("/v1/models/digits/versions", json=alice.body(files))
    assert published.status_code == 201, published.text
    for door in (f"/v1/blobs/{digest}", f"/v2/digits/blobs/{digest}"):
        assert client.get(door).content == model
    part = client.get(f"/v1/blobs/{DIGEST}", headers={"Range": "bytes=65530-131080"})
    assert (part.status_code, part.content) == (206, SECRET[65530:131081])
    last = client.get(f"/v1/blobs/{DIGEST}", headers={"Range": "bytes=-5"})
    assert last.content == SECRET[-5:]
    asked = client.get(f"/v1/blobs/{DIGEST}?direct=true", follow_redirects=False)
    assert (asked.status_code, asked.headers["direct-transfer"]) == (200, "not offered")


@pytest.mark.parametrize("place", [0, 15, 16, 70_000, -1])
def test_a_byte_changed_on_the_disk_is_noticed_before_anybody_reads_it(
    registry: Registry, place: int
) -> None:
    transfers.put(registry, SECRET)
    file = payload(registry, DIGEST)
    changed = bytearray(file.read_bytes())
    changed[place] ^= 1
    file.chmod(0o600)
    file.write_bytes(changed)
    with pytest.raises(errors.DecryptionFailed):
        content(registry, DIGEST)
    transfers.put(registry, SECRET)
    assert content(registry, DIGEST) == SECRET


def test_one_blobs_bytes_under_anothers_name_are_no_blob(registry: Registry) -> None:
    other = SECRET[::-1]
    for data in (SECRET, other):
        transfers.put(registry, data)
    file, moved = payload(registry, DIGEST), payload(registry, digest_of(other))
    file.chmod(0o600)
    file.write_bytes(moved.read_bytes())
    # It opens, for it is a blob of ours; whoever asked for this digest compares.
    assert digest_of(content(registry, DIGEST)) != DIGEST


def test_who_lost_the_key_file_is_told_so_and_gets_no_new_one(
    settings: Settings, registry: Registry
) -> None:
    transfers.put(registry, SECRET)
    registry.close()
    kept = settings.key_file.rename(settings.key_file.with_suffix(".kept"))
    with pytest.raises(errors.InvalidConfig, match="is not there"):
        opening.open_registry(settings)
    assert not settings.key_file.exists()
    KeyFile(settings.key_file)
    again = opening.open_registry(settings)
    with pytest.raises(errors.DecryptionFailed, match="no key in"):
        content(again, DIGEST)
    kept.replace(settings.key_file)
    assert content(again, DIGEST) == SECRET
    again.close()


def test_a_key_file_that_others_may_read_is_refused(settings: Settings) -> None:
    opening.open_registry(settings).close()
    settings.key_file.chmod(0o640)
    with pytest.raises(errors.InvalidConfig, match="0640"):
        opening.open_registry(settings)


def test_a_registry_with_encrypted_blobs_does_not_open_without_encryption(
    settings: Settings, registry: Registry
) -> None:
    transfers.put(registry, SECRET)
    registry.close()
    with pytest.raises(errors.InvalidConfig, match="encryption is off"):
        opening.open_registry(replace(settings, encryption=Encryption()))


def test_clear_blobs_from_before_are_read_and_swept_as_ever(
    settings: Settings, alice: Publisher
) -> None:
    alice.list_in(settings.publishers_file)
    clear = opening.open_registry(replace(settings, encryption=Encryption()))
    publish_one(clear, alice, 1)
    transfers.put(clear, SECRET)
    clear.close()
    registry = opening.open_registry(settings)
    for data in files_of(1).values():
        assert content(registry, digest_of(data)) == data
    publish_one(registry, alice, 2)
    assert {digest_of(data) for data in files_of(2).values()} <= set(registry.blobs.digests())
    assert len(list(registry.blobs.digests())) == len(set(registry.blobs.digests())) == 4
    sweep.sweep(registry, AT_ONCE)
    assert registry.blobs.size(DIGEST) is None
    registry.close()


def test_what_a_sweep_removes_leaves_no_key(registry: Registry) -> None:
    transfers.put(registry, SECRET)
    assert DIGEST in keys_of(registry)
    sweep.sweep(registry, AT_ONCE)
    assert keys_of(registry) == {}
    assert not payload(registry, DIGEST).exists()


def test_a_sweep_keeps_the_key_that_opens_a_blob_and_forgets_those_that_open_nothing(
    registry: Registry, alice: Publisher
) -> None:
    publish_one(registry, alice, 1)
    model = files_of(1)["model.onnx"]
    for _ in range(2):
        transfers.put(registry, model)
    before = all_keys(registry)
    assert len(before) == 4
    sweep.sweep(registry, AT_ONCE)
    assert all_keys(registry) == before, "a writer may be at it"
    long_ago = datetime.now(UTC) - timedelta(days=2)
    with registry.database.writing() as session:
        session.execute(update(BlobKey).values(created_at=long_ago))
        lost = Row("0" * 32, digest_of(b"never came"), b"header", "file:age1")
        keys.add(session, [lost], now=long_ago)
        session.commit()
    sweep.sweep(registry, AT_ONCE)
    assert len(all_keys(registry)) == 2
    for data in files_of(1).values():
        assert content(registry, digest_of(data)) == data


def test_two_replicas_read_what_either_stored(
    settings: Settings, bucket: str, alice: Publisher
) -> None:
    shared = replace(settings, storage=bucket)
    alice.list_in(shared.publishers_file)
    one, other = opening.open_registry(shared), opening.open_registry(shared)
    files = {"model.onnx": onnx_model()}
    store(one, files)
    publish(other, alice.draft(files), ALICE)
    upload = transfers.begin(one)
    asyncio.run(transfers.append(one, upload, spools.flowing([SECRET[:100_001]])))
    rest = spools.flowing([SECRET[100_001:]])
    asyncio.run(transfers.append(other, upload, rest, start=100_001))
    transfers.finish(one, upload, DIGEST)
    assert content(other, DIGEST) == SECRET
    for opened in (one, other):
        opened.close()


def test_keys_are_kept_rotated_and_destroyed_in_either_kind_of_database(
    settings: Settings, database_url: str, alice: Publisher
) -> None:
    alice.list_in(settings.publishers_file)
    registry = opening.open_registry(replace(settings, database_url=database_url))
    publish_one(registry, alice, 1)
    assert rotation.rotate(registry, ROOT).headers == 2
    for data in files_of(1).values():
        assert content(registry, digest_of(data)) == data
    done = erasure.erase(registry, model="digits", version=1, reason="DSR 7", by=ROOT)
    assert (done.keys, keys_of(registry)) == (2, {})
    registry.close()


def test_what_mlflow_uploads_comes_back_through_its_own_door(
    client_of_registry: Callable[[Settings], httpx2.Client], settings: Settings
) -> None:
    client = client_of_registry(settings)
    door = "/api/2.0/mlflow-artifacts/artifacts/run/model.bin"
    client.put(door, content=SECRET).raise_for_status()
    assert client.get(door).content == SECRET
    assert SECRET[:30] not in on_disk(settings.data_dir)


def test_a_key_is_only_kept_for_bytes_that_somebody_claims(registry: Registry) -> None:
    with pytest.raises(errors.Conflict, match="removed or erased"):
        registry.blobs.put(b"unclaimed", digest_of(b"unclaimed"))
    assert registry.blobs.size(digest_of(b"unclaimed")) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('encryption = "rot13"', "one of off, file, pkcs11, vault"),
        ("encryption = true", "must be text"),
        ('encryption = "file"\ndirect_downloads = true', "direct_downloads must be false"),
        ("require_encrypted_delivery = true\ndirect_downloads = true", "encrypts to nobody"),
        ('encryption = "pkcs11"', "pkcs11_module must be there"),
        ('encryption = "vault"\nvault_url = "https://v"', "vault_token_file must be there"),
    ],
)
def test_a_setting_that_cannot_be_is_explained(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "plimsoll.toml"
    file.write_text(f"[registry]\n{text}\n")
    with pytest.raises(errors.InvalidConfig, match=re.escape(said)):
        configuration.load(file)
