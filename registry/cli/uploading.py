"""Brings a folder's files to the registry: hashed, sent several at once, resumed where broken.

Which upload belongs to which bytes is remembered in a small file per server and digest, so
that a push that was killed goes on where it stopped. The registry checks every digest itself.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.cli import batches, wire
from registry.cli.client import ATTEMPTS, Client
from registry.cli.progress import Advance
from registry.core import names
from registry.core.oms import File

WORKERS = 4
_PART_BYTES = 32 * 1024 * 1024
_PART_FILES = 1000
_BLOCK = 1024 * 1024
_BYTES = {"Content-Type": "application/octet-stream"}


def collect(path: Path, signature: Path | None = None) -> dict[str, Path]:
    """Path in the model to local file, for a folder or for one file; links are refused.

    The folder's own `signature`, where it lies inside, is not a file of the model.
    """
    if path.is_dir() and not path.is_symlink():
        found = {
            entry.relative_to(path).as_posix(): entry
            for entry in sorted(path.rglob("*"))
            if entry.is_symlink() or not entry.is_dir()
        }
    else:
        found = {path.name: path}
    if signature is not None:
        found = {name: local for name, local in found.items() if not _is_same(local, signature)}
    for local in found.values():
        _require_plain(local)
    if not found:
        raise errors.InvalidInput(f"{path}: no files in it", fix="name the folder of the model")
    names.file_paths(list(found))
    return found


def _is_same(local: Path, signature: Path) -> bool:
    return local.absolute() == signature.absolute()


def hash_files(places: dict[str, Path], progress: Advance) -> tuple[File, ...]:
    """Digest and size of each, several at once."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = [pool.submit(_hash, path, local, progress) for path, local in places.items()]
        return tuple(one.result() for one in waiting)


@dataclass(frozen=True, slots=True)
class Brought:
    """Files that the registry holds now; `is_new` where it did not hold all of them before."""

    files: tuple[File, ...]
    is_new: bool


def bring(client: Client, places: dict[str, Path], progress: Advance) -> Brought:
    """Hash every file, and send those that the registry does not hold while the next are hashed.

    `progress` is told of each byte twice. Bytes that the registry has already are not sent again.
    """
    files: list[File] = []
    is_new = False
    with ThreadPoolExecutor(WORKERS) as hashing, ThreadPoolExecutor(WORKERS) as sending:
        sent: list[Future[None]] = []
        try:
            parts = [
                [hashing.submit(_hash, path, places[path], progress) for path in part]
                for part in _parts(places)
            ]
            for part in parts:
                hashed = [one.result() for one in part]
                begun = _begin(sending, client, hashed, places, progress)
                files += hashed
                sent += begun
                is_new = is_new or bool(begun)
                _raise_any([one for one in sent if one.done()])
            _raise_any(sent)
        finally:
            hashing.shutdown(cancel_futures=True)
            sending.shutdown(cancel_futures=True)
    return Brought(tuple(files), is_new)


def upload(
    client: Client, files: Sequence[File], places: dict[str, Path], progress: Advance
) -> None:
    """After this the registry holds every file, as after `bring`."""
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            _raise_any(_begin(pool, client, files, places, progress))
        finally:
            pool.shutdown(cancel_futures=True)


def _parts(places: dict[str, Path]) -> Iterator[list[str]]:
    """As many files as make it worth to ask for them; in order."""
    part: list[str] = []
    size = 0
    for path, local in places.items():
        part.append(path)
        size += local.stat().st_size
        if size >= _PART_BYTES or len(part) == _PART_FILES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _begin(
    pool: ThreadPoolExecutor,
    client: Client,
    files: Sequence[File],
    places: dict[str, Path],
    progress: Advance,
) -> list[Future[None]]:
    """Those uploads that are needed."""
    by_digest = {file.digest: file for file in files}
    missing = client.missing_blobs(list(by_digest))
    wanted = [file for digest, file in by_digest.items() if digest in missing]
    progress(sum(file.size for file in files) - sum(file.size for file in wanted))
    begun = [
        pool.submit(_upload_large, client, file, places[file.path], progress)
        for file in wanted
        if file.size > batches.SMALL
    ]
    return begun + [
        pool.submit(_upload_small, client, batch, places, progress) for batch in batches.of(wanted)
    ]


def _raise_any(uploads: Sequence[Future[None]]) -> None:
    for one in uploads:
        one.result()


def _require_plain(local: Path) -> None:
    try:
        mode = local.lstat().st_mode
    except OSError as error:
        raise errors.InvalidInput(
            f"{local}: cannot be read: {error.strerror}", fix="name a folder or file that is there"
        ) from error
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
        raise errors.InvalidInput(
            f"{local}: {kind}; a model consists of plain files", fix="copy what it leads to"
        )


def _hash(path: str, local: Path, progress: Advance) -> File:
    hasher, size = hashlib.sha256(), 0
    with local.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            hasher.update(block)
            size += len(block)
            progress(len(block))
    return File(path, f"sha256:{hasher.hexdigest()}", size)


def _upload_small(
    client: Client, batch: Sequence[File], places: dict[str, Path], progress: Advance
) -> None:
    body: list[bytes | wire.Span] = []
    for file in batch:
        body.append(f"{file.digest} {file.size}\n".encode())
        body.append(wire.Span(places[file.path], 0, file.size, _unseen))
    client.call("POST", "/v1/blobs", body, headers=_BYTES)
    # Only now: a batch may have been sent more than once.
    progress(sum(file.size for file in batch))


def _unseen(_: int) -> None:
    """Nobody is told."""


def _upload_large(client: Client, file: File, local: Path, progress: Advance) -> None:
    memory = _Memory(client.url, file.digest)
    location, sent = _resume(client, memory)
    progress(sent)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _send(client, f"{location}?digest={file.digest}", local, sent, file.size, progress)
        except errors.Unavailable:
            if attempt == ATTEMPTS:
                raise
            location, offset = _resume(client, memory)
            progress(offset - sent)
            sent = offset
        except errors.IntegrityError:
            memory.forget()
            raise
        else:
            memory.forget()
            return


def _resume(client: Client, memory: "_Memory") -> tuple[str, int]:
    """The upload's address and how many bytes it has; a new one where the old is gone."""
    known = memory.location()
    if known is not None:
        try:
            answer = client.call("GET", known)
            return known, int(answer.headers["Upload-Offset"])
        except (errors.NotFound, errors.InvalidInput):
            memory.forget()
    answer = client.call("POST", "/v1/uploads")
    location = answer.headers["Location"]
    memory.remember(location)
    return location, 0


def _send(
    client: Client, target: str, local: Path, start: int, size: int, progress: Advance
) -> None:
    """One streaming PUT from `start` to the end; the registry then checks the whole digest."""
    headers = dict(_BYTES)
    if size > start:
        headers["Content-Range"] = f"{start}-{size - 1}"
    client.send("PUT", target, headers, [wire.Span(local, start, size, progress)])


class _Memory:
    """Where the upload of one digest to one server was begun. Losing it costs a re-upload."""

    def __init__(self, server: str, digest: str) -> None:
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        key = hashlib.sha256(f"{server} {digest}".encode()).hexdigest()
        self._file = Path(home) / "plimsoll" / "uploads" / key

    def location(self) -> str | None:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        is_ours = isinstance(found, str) and found.startswith("/v1/uploads/")
        return found if is_ours else None

    def remember(self, location: str) -> None:
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file.write_text(json.dumps(location), encoding="utf-8")

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink()
