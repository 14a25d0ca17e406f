"""A large file into the registry, against the disk, CNCF distribution and MLflow."""

from collections.abc import Callable, Iterator
from functools import partial

from bench import disk, distribution, figures, large, mlflow, publishing, repeating, wire
from bench.figures import Row
from bench.large import Large

_AREA = "registry"
_ROUNDS = 5
_OURS, _COMMAND, _DISK, _DISTRIBUTION, _MLFLOW = "ours", "command", "disk", "distribution", "mlflow"
_ARTIFACT = "bench/large.bin"


def rows(file: Large, other: distribution.Running, peer: mlflow.Running) -> Iterator[Row]:
    """Network in, SHA-256, write, fsync, rename, fsync of the folder; each against its peers.

    All servers get the file from the same client, out of the page cache by sendfile. MLflow
    neither hashes nor syncs what it takes. Grows with the size alone.
    """
    contenders: dict[str, Callable[[], float]] = {
        _OURS: large.anew(partial(_upload, file), file.registry.blob(file.file.digest)),
        _DISK: partial(disk.write_plainly, file.source, file.folder / "plain.bin"),
        _DISTRIBUTION: large.anew(
            partial(other.upload, file.source, file.file.digest), other.blob(file.file.digest)
        ),
        _MLFLOW: large.anew(partial(peer.upload, file.source, _ARTIFACT), peer.artifact(_ARTIFACT)),
        _COMMAND: large.anew(partial(_push, file), file.registry.blob(file.file.digest)),
    }
    for contender in contenders.values():
        contender()  # the first ones warm up all sides, and their times do not count
    turns = repeating.in_turns(contenders, repetitions=_ROUNDS)
    name = f"upload of {file.mebibytes} MiB, verified by digest, synced"
    yield _row(file, turns, name, against=_DISK, limit=0.7)
    yield _row(file, turns, name, against=_DISTRIBUTION, limit=_reachable(turns, _DISTRIBUTION, 3))
    yield _row(file, turns, name, against=_MLFLOW, limit=_reachable(turns, _MLFLOW, 4))
    name = f"the same by the code of plimsoll push, {file.mebibytes} MiB"
    yield _row(file, turns, name, against=_DISK, limit=0.45, ours=_COMMAND)


def _reachable(turns: repeating.Turns, peer: str, wished: float) -> float:
    """`wished` times the peer's speed, or where the disk itself is slower nine tenths of that.

    Who syncs what it takes cannot be faster than the disk; MLflow does not, and so can.
    """
    return min(wished, 0.9 * turns.speed_ratio(_DISK, peer))


_NAMES = {
    _DISK: "plain disk write+fsync",
    _DISTRIBUTION: "CNCF distribution, synced",
    _MLFLOW: "MLflow's artifacts, not synced",
}


def _row(
    file: Large,
    turns: repeating.Turns,
    name: str,
    *,
    against: str,
    limit: float,
    ours: str = _OURS,
) -> Row:
    return Row(
        _AREA,
        name,
        file.speed(turns.seconds(ours)),
        "MB/s",
        f"{_NAMES[against]}: {file.speed(turns.seconds(against)):.0f} MB/s",
        ratio=turns.speed_ratio(ours, against),
        bar=figures.at_least(limit),
    )


def _upload(file: Large) -> None:
    with wire.connected(file.registry.url, file.registry.headers) as link:
        link.send_file("POST", f"/v1/uploads?digest={file.file.digest}", file.source)


def _push(file: Large) -> None:
    publishing.send(file.registry.client(), file.file, file.source)
