"""What a fingerprinted pull costs, next to sha256 of the same bytes: the first, and later ones.

The registry is started as users start it. Bytes are received and dropped: what a host does with
them, it does with those of every version. They are in the page cache, for both sides.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from bench import figures, memory, publishing, registries, repeating, wire
from bench.figures import Row
from registry import errors
from registry.core import age, envelope, trustroot
from registry.core.age import Identity
from registry.core.envelope import Verified, Wanted
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from registry.settings import Settings
from registry.usecases import access, hosts, opening
from registry.usecases.access import Caller, Role

_AREA = "watermark"
_SIZE = 4 << 30
_BLOCK = 32 << 20
_ROUNDS = 3
_ADMIN = Caller(Role.ADMIN, "bench")
_SETTINGS = 'watermark_publish = "on"\nwatermark_copies = "hosts"\n'
_TIMES = figures.at_most(3)
_FLAT = figures.at_most(256)


@dataclass(frozen=True, slots=True)
class _Fleet:
    """Hosts of one registry that serves one large marked version."""

    registry: registries.Running
    wanted: Wanted
    trust: TrustRoot
    hosts: Iterator[dict[str, str]]

    def first(self, headers: dict[str, str]) -> File:
        """The host's own file; where it has none yet, it is made."""
        path = f"/v1/models/{self.wanted.model}/versions/1/bundle"
        with wire.connected(self.registry.url, headers) as link:
            content = _asked(link, path)
        found = envelope.verify(content, self.trust, self.wanted)
        if not isinstance(found, Verified) or not found.recipient:
            raise errors.IntegrityError(f"no host's own copy: {found}")
        [file] = found.files
        return file

    def receive(self, headers: dict[str, str], file: File) -> None:
        with wire.connected(self.registry.url, headers) as link:
            received = link.receive(f"/v1/blobs/{file.digest}", bytearray(wire.BLOCK))
        if received < file.size:
            raise errors.IntegrityError(f"only {received} bytes came")

    def pull_first(self, accept: dict[str, str]) -> float:
        """Seconds of the first pull of a host that was enrolled just now."""
        headers = next(self.hosts) | accept
        return repeating.seconds(lambda: self.receive(headers, self.first(headers)))

    def pull_later(self, headers: dict[str, str], file: File) -> float:
        return repeating.seconds(lambda: self.receive(headers, file))


def rows(folder: Path, *, size: int = _SIZE) -> Iterator[Row]:
    """Every first pull is by a host that never asked before."""
    source = folder / "model" / "model.safetensors"
    source.parent.mkdir(parents=True)
    _written(source, size)
    installed = registries.installed(folder)
    with installed.config.open("a", encoding="utf-8") as config:
        config.write(_SETTINGS)
    with registries.started(installed) as registry:
        fleet = _fleet(registry, source)
        known = next(fleet.hosts)
        own = fleet.first(known)
        before = memory.resident(memory.tree(registry.process.pid))
        memory.forget_peak(memory.tree(registry.process.pid))
        for how, accept in (("clear", {}), ("encrypted to it", {"Accept": age.MEDIA_TYPE})):
            first = partial(fleet.pull_first, accept)
            yield _row(f"a host's first pull of {size >> 20} MiB, {how}", first, source)
            later = partial(fleet.pull_later, known | accept, own)
            yield _row(f"a later pull of {size >> 20} MiB, {how}", later, source)
        peak = memory.peak(memory.tree(registry.process.pid))
    yield Row(
        _AREA, "memory of the registry while it is pulled", (peak - before) / memory.MIB, "MiB",
        f"beside {before >> 20} MiB before", bar=_FLAT,
    )  # fmt: skip


def _asked(link: wire.Link, path: str) -> bytes:
    """As a runtime does: who is told that his copy is still being made comes again."""
    while True:
        try:
            return link.call("GET", path).body
        except errors.Unavailable as error:
            if "answered 429" not in error.detail:
                raise


def _row(name: str, pull: Callable[[], float], source: Path) -> Row:
    found = repeating.compared(
        pull,
        partial(repeating.seconds, partial(_hashed, source)),
        repetitions=_ROUNDS,
    )
    return Row(
        _AREA,
        name,
        1 / found.speed_ratio,
        "× sha256",
        f"sha256 of the same bytes: {found.reference_seconds:.2f} s, pulled in {found.seconds:.2f}",
        bar=_TIMES,
    )


def _fleet(registry: registries.Running, source: Path) -> _Fleet:
    digest = publishing.publish(
        registry, source.parent, model="large", version=1, form="safetensors"
    )
    trust = trustroot.parse(registry.trust_file.read_bytes())
    return _Fleet(registry, Wanted("large", 1, digest), trust, _enrolled(registry))


def _enrolled(running: registries.Running) -> Iterator[dict[str, str]]:
    """How one new host after the other asks; each has a key of its own."""
    registry = opening.open_registry(Settings(running.data))
    try:
        for number in count(1):
            name, recipient = f"host-{number}", Identity(os.urandom(32)).recipient
            with registry.database.writing() as session:
                identity = hosts.Identity(name, recipient)
                hosts.enrol(session, registry, identity, actor=_ADMIN.actor)
                session.commit()
            token = access.mint(registry, role=Role.HOST, name=name, by=_ADMIN)
            yield {"Authorization": f"Bearer {token}"}
    finally:
        registry.close()


def _written(path: Path, size: int) -> None:
    """One tensor of random numbers, the same ones again and again."""
    head = {"w": {"dtype": "F32", "shape": [size >> 14, 4096], "data_offsets": [0, size]}}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    block = np.random.default_rng(1).standard_normal(_BLOCK // 4, dtype=np.float32).tobytes()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _ in range(size // _BLOCK):
            file.write(block)


def _hashed(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
