"""What encryption costs: downloads and uploads of what is stored encrypted, and rotating keys."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx2

from bench import figures, registries, repeating, wire
from bench.figures import Row
from registry import errors
from registry.core import age
from registry.core import digest as digests
from registry.core.age import Identity
from registry.db import keys
from registry.db.keys import Row as KeyRow
from registry.settings import Encryption, Settings
from registry.usecases import access, hosts, opening, rotation
from registry.usecases.access import Caller, Role

_AREA = "trust"
_SIZE = 256 * 1024 * 1024
_ROUNDS = 5
_HEADERS = 5000
_ADMIN = Caller(Role.ADMIN, "bench")


def rows(folder: Path) -> Iterator[Row]:
    """Both registries are started as users start them; they differ in one setting."""
    content = os.urandom(_SIZE)
    for name in ("clear", "encrypted"):
        (folder / name).mkdir()
    sealed = registries.installed(folder / "encrypted")
    with sealed.config.open("a", encoding="utf-8") as config:
        config.write('encryption = "file"\n')
    with registries.running(folder / "clear") as clear, registries.started(sealed) as encrypted:
        yield _upload(clear, encrypted, content)
        digest = digests.of(content)
        yield _download(clear, encrypted, digest, "decrypted by the registry", encrypted.headers)
        yield _download(clear, encrypted, digest, "as an age file for a host", _host(encrypted))
    yield _rewrap(folder / "keys")


def _upload(clear: registries.Running, encrypted: registries.Running, content: bytes) -> Row:
    digest = digests.of(content)

    def put(registry: registries.Running) -> float:
        path = f"{registry.url}/v1/uploads?digest={digest}"
        work = partial(httpx2.post, path, content=content, headers=registry.headers, timeout=300)
        os.sync()
        return repeating.seconds(lambda: work().raise_for_status())

    found = repeating.compared(partial(put, encrypted), partial(put, clear), repetitions=_ROUNDS)
    return Row(
        _AREA,
        f"upload of {_SIZE >> 20} MiB, stored encrypted",
        _SIZE / found.seconds / 1e6,
        "MB/s",
        f"stored clear: {_SIZE / found.reference_seconds / 1e6:.0f} MB/s",
        ratio=found.speed_ratio,
    )


def _download(
    clear: registries.Running,
    encrypted: registries.Running,
    digest: str,
    how: str,
    headers: Mapping[str, str],
) -> Row:
    def receive(url: str, given: Mapping[str, str]) -> None:
        with wire.connected(url, given) as link:
            received = link.receive(f"/v1/blobs/{digest}", bytearray(wire.BLOCK))
        if received < _SIZE:
            raise errors.IntegrityError(f"{url} sent {received} bytes")

    def timed(url: str, given: Mapping[str, str]) -> float:
        return repeating.seconds(partial(receive, url, given))

    ours, reference = (
        partial(timed, encrypted.url, headers),
        partial(timed, clear.url, clear.headers),
    )
    ours()  # once before it counts
    reference()
    found = repeating.compared(ours, reference, repetitions=_ROUNDS)
    return Row(
        _AREA,
        f"download of {_SIZE >> 20} MiB stored encrypted, {how}",
        _SIZE / found.seconds / 1e6,
        "MB/s",
        f"stored clear, sendfile: {_SIZE / found.reference_seconds / 1e6:.0f} MB/s",
        ratio=found.speed_ratio,
    )


def _host(encrypted: registries.Running) -> dict[str, str]:
    """How a host with a key of its own asks."""
    settings = Settings(encrypted.data, encryption=Encryption("file"))
    registry = opening.open_registry(settings)
    try:
        recipient = Identity(os.urandom(32)).recipient
        with registry.database.writing() as session:
            hosts.enrol(session, registry, hosts.Identity("bench", recipient), actor=_ADMIN.actor)
            session.commit()
        token = access.mint(registry, role=Role.HOST, name="bench", by=_ADMIN)
    finally:
        registry.close()
    return {"Authorization": f"Bearer {token}", "Accept": age.MEDIA_TYPE}


def _rewrap(folder: Path) -> Row:
    registry = opening.open_registry(Settings(folder, encryption=Encryption("file")))
    try:
        keyring = registry.keyring
        if keyring is None:
            raise errors.InvalidConfig("encryption is off")
        made = [keyring.new() for _ in range(_HEADERS)]
        with registry.database.writing() as session:
            found = [KeyRow(one.name, f"sha256:{one.name * 2}", one.header, one.wrapped_by)
                     for one in made]  # fmt: skip
            keys.add(session, found, now=datetime.now(UTC))
            session.commit()
        took = repeating.seconds(lambda: rotation.rotate(registry, _ADMIN))
    finally:
        registry.close()
    return Row(
        _AREA, f"keys of {_HEADERS} blobs wrapped by a new key", _HEADERS / took, "headers/s",
        bar=figures.Bar(figures.Of.VALUE, figures.Sign.AT_LEAST, 300),
    )  # fmt: skip
