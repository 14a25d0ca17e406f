"""A large file out of the registry, against nginx: one client, eight of them, and a host."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench import figures, nginx, repeating, wire
from bench.figures import Row
from bench.large import Large
from registry import errors
from runtime import pull as runtime_pull

_AREA = "registry"
_ROUNDS = 5
_CLIENTS = 8


def rows(file: Large) -> Iterator[Row]:
    """nginx serves the very inode that the registry serves, under the same path, to the same
    client. Grows with the size, and not with the number of files in the store."""
    root = file.folder / "root"
    link = root / "v1" / "blobs" / file.file.digest
    link.parent.mkdir(parents=True)
    link.symlink_to(file.registry.blob(file.file.digest))
    with nginx.serving(root, folder=file.folder / "nginx") as url:
        yield _row(file, url, _download, "one client", limit=1.0)
        yield _row(file, url, _download_by_many, f"{_CLIENTS} clients", limit=0.8, copies=_CLIENTS)
        yield _row(file, url, _pull, "as a host does: hashed, written, synced", limit=0.9)


def _row(
    file: Large,
    url: str,
    download: Callable[[Large, str], float],
    how: str,
    *,
    limit: float,
    copies: int = 1,
) -> Row:
    ours, reference = partial(download, file, file.registry.url), partial(download, file, url)
    ours()  # once before it counts
    reference()
    found = repeating.compared(ours, reference, repetitions=_ROUNDS)
    return Row(
        _AREA,
        f"download of {file.mebibytes} MiB, {how}",
        copies * file.speed(found.seconds),
        "MB/s",
        f"nginx, same client and file: {copies * file.speed(found.reference_seconds):.0f} MB/s",
        ratio=found.speed_ratio,
        bar=figures.at_least(limit),
    )


def _download(file: Large, url: str) -> float:
    """Seconds until the last byte, with a client that does as little as a client can."""
    return repeating.seconds(partial(_receive, file, url))


def _download_by_many(file: Large, url: str) -> float:
    """Seconds until the last of several, which begin together, has its last byte."""

    def receive() -> None:
        with ThreadPoolExecutor(_CLIENTS) as pool:
            waiting = [pool.submit(_receive, file, url) for _ in range(_CLIENTS)]
            for one in waiting:
                one.result()

    return repeating.seconds(receive)


def _receive(file: Large, url: str) -> None:
    with wire.connected(url, file.registry.headers) as link:
        received = link.receive(f"/v1/blobs/{file.file.digest}", bytearray(wire.BLOCK))
    if received != file.file.size:
        raise errors.IntegrityError(f"{url} sent {received} bytes of {file.file.digest}")


def _pull(file: Large, url: str) -> float:
    """Seconds of the runtime's own download, which checks the digest and syncs the file."""
    target = file.folder / "pulled.bin"
    registry = runtime_pull.Registry(url, file.registry.token_file)
    took = repeating.seconds(lambda: registry.download(file.file, target, file.folder / "pieces"))
    target.unlink()
    return took
