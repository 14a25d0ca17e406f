"""A large file into the registry and out of it again, against the disk and against nginx."""

import http.client
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench import disk, figures, memory, nginx, publishing, registries, repeating
from bench.figures import Row
from registry import errors
from registry.core.oms import File
from runtime import pull as runtime_pull

SIZE = 1024**3
_REPETITIONS = 5
_MIB = 1024**2
_AREA = "registry"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One large file, where it comes from and where it goes."""

    registry: registries.Running
    source: Path
    file: File
    folder: Path


@contextmanager
def prepared(registry: registries.Running, folder: Path, *, size: int) -> Iterator[Transfer]:
    """A random file of `size` bytes on the file system of the registry's blobs."""
    source = folder / "large.bin"
    digest = disk.random_file(source, size)
    yield Transfer(registry, source, File("model.bin", digest, size), folder)
    source.unlink()


def rows(registry: registries.Running, folder: Path, *, size: int = SIZE) -> Iterator[Row]:
    """Push, then pull, then what both cost the server in memory.

    Times grow with the size alone; the server's memory does not grow with it at all.
    """
    with prepared(registry, folder, size=size) as transfer:
        before = memory.resident(registry.process.pid)
        memory.forget_peak(registry.process.pid)
        _push(transfer)  # the first ones warm up both sides, and their times do not count
        _pull(transfer, transfer.registry.url)
        yield _pushed(transfer)
        yield from _pulled(transfer)
        grown = memory.peak(registry.process.pid) - before
        yield Row(
            _AREA,
            f"server memory, peak over baseline, during these ({size // _MIB} MiB each)",
            grown / _MIB,
            "MiB",
            f"{before // _MIB} MiB resident before",
            bar=figures.under(64),
        )


def _pushed(transfer: Transfer) -> Row:
    """Network in, SHA-256, write, fsync, rename, fsync of the folder; against write and fsync."""

    def push() -> float:
        # Each push stores anew: replacing the file would pay for freeing the old one.
        transfer.registry.blob(transfer.file.digest).unlink(missing_ok=True)
        os.sync()
        return repeating.seconds(lambda: _push(transfer))

    def write() -> float:
        return disk.write_plainly(transfer.source, transfer.folder / "plain.bin")

    found = repeating.compared(push, write, repetitions=_REPETITIONS)
    size = transfer.file.size
    return Row(
        _AREA,
        f"push of {size // _MIB} MiB, verified by digest, synced",
        size / found.seconds / 1e6,
        "MB/s",
        f"plain disk write+fsync: {size / found.reference_seconds / 1e6:.0f} MB/s",
        ratio=found.speed_ratio,
        bar=figures.at_least(0.45),
    )


def _pulled(transfer: Transfer) -> Iterator[Row]:
    root = transfer.folder / "root"
    # nginx serves the very inode that the registry serves, under the same path.
    link = root / "v1" / "blobs" / transfer.file.digest
    link.parent.mkdir(parents=True)
    link.symlink_to(transfer.registry.blob(transfer.file.digest))
    with nginx.serving(root, folder=transfer.folder / "nginx") as url:
        yield _pulled_by(_pull, "bytes counted and dropped", transfer, url)
        yield _pulled_by(_pull_as_host, "as a host does: hashed, written, synced", transfer, url)


def _pulled_by(
    pull: Callable[[Transfer, str], float], how: str, transfer: Transfer, nginx_url: str
) -> Row:
    size = transfer.file.size
    found = repeating.compared(
        partial(pull, transfer, transfer.registry.url),
        partial(pull, transfer, nginx_url),
        repetitions=_REPETITIONS,
    )
    return Row(
        _AREA,
        f"pull of {size // _MIB} MiB, {how}",
        size / found.seconds / 1e6,
        "MB/s",
        f"nginx, same client and file: {size / found.reference_seconds / 1e6:.0f} MB/s",
        ratio=found.speed_ratio,
        bar=figures.at_least(0.9),
    )


def _push(transfer: Transfer) -> None:
    publishing.send(transfer.registry.client(), transfer.file, transfer.source)


def _pull(transfer: Transfer, url: str) -> float:
    """Seconds until the last byte, with a client that does as little as a client can."""
    address = urlsplit(url)
    link = http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)
    headers = {"Authorization": f"Bearer {transfer.registry.token}"}
    buffer, received = bytearray(_MIB), 0

    def receive() -> None:
        nonlocal received
        link.request("GET", f"/v1/blobs/{transfer.file.digest}", headers=headers)
        answer = link.getresponse()
        while count := answer.readinto(buffer):
            received += count

    with ExitStack() as stack:
        stack.callback(link.close)
        took = repeating.seconds(receive)
    if received != transfer.file.size:
        raise errors.IntegrityError(f"{url} sent {received} bytes of {transfer.file.digest}")
    return took


def _pull_as_host(transfer: Transfer, url: str) -> float:
    """Seconds of the runtime's own download, which checks the digest and syncs the file."""
    target = transfer.folder / "pulled.bin"
    registry = runtime_pull.Registry(url, transfer.registry.token_file)
    took = repeating.seconds(lambda: registry.download(transfer.file, target))
    target.unlink()
    return took
