"""Brings a folder's files to the registry: hashed first, several at once, resumed where broken.

Which upload belongs to which bytes is remembered in a small file per server and digest, so
that a push that was killed goes on where it stopped. The registry checks every digest itself.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from registry import errors
from registry.cli.client import ATTEMPTS, BLOCK, Client
from registry.cli.progress import Advance
from registry.core import names, problem
from registry.core.oms import File

WORKERS = 4
# What is smaller goes with others in one request: to send it again costs less than to remember
# where it was.
_SMALL = 2 * 1024 * 1024
_BATCH_BYTES = 16 * 1024 * 1024
_BATCH_FILES = 1000


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


def upload(
    client: Client, files: Sequence[File], places: dict[str, Path], progress: Advance
) -> None:
    """After this the registry holds every file. Bytes that it has already are not sent again."""
    by_digest = {file.digest: file for file in files}
    missing = client.missing_blobs(list(by_digest))
    wanted = [file for digest, file in by_digest.items() if digest in missing]
    progress(sum(file.size for file in files) - sum(file.size for file in wanted))
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = [
            pool.submit(_upload_large, client, file, places[file.path], progress)
            for file in wanted
            if file.size > _SMALL
        ]
        waiting += [
            pool.submit(_upload_small, client, batch, places, progress)
            for batch in _batches([file for file in wanted if file.size <= _SMALL])
        ]
        try:
            for one in waiting:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


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
    for block in _blocks(local, 0):
        hasher.update(block)
        size += len(block)
        progress(len(block))
    return File(path, f"sha256:{hasher.hexdigest()}", size)


def _batches(files: Sequence[File]) -> Iterator[list[File]]:
    """Small files, as many as go in one request."""
    batch: list[File] = []
    size = 0
    for file in files:
        if batch and (size + file.size > _BATCH_BYTES or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _upload_small(
    client: Client, batch: Sequence[File], places: dict[str, Path], progress: Advance
) -> None:
    parts: list[bytes] = []
    for file in batch:
        content = places[file.path].read_bytes()
        if len(content) != file.size:
            raise errors.DigestMismatch(
                f"{places[file.path]}: changed while it was being pushed",
                fix="push again when nothing writes to it",
            )
        parts += [f"{file.digest} {file.size}\n".encode(), content]
    client.call("POST", "/v1/blobs", b"".join(parts), media_type="application/octet-stream")
    progress(sum(file.size for file in batch))


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
    headers = {"Content-Length": str(size - start), "Content-Type": "application/octet-stream"}
    if size > start:
        headers["Content-Range"] = f"{start}-{size - 1}"

    def body() -> Iterator[bytes]:
        left = size - start
        for block in _blocks(local, start):
            yield block[:left]
            progress(len(block))
            left -= len(block)

    try:
        answer = client.http.put(target, content=body(), headers=headers)
    except httpx2.HTTPError as error:
        raise client.unreachable(error) from error
    if not answer.is_success:
        raise problem.error_from(answer.status_code, answer.content, what=f"{client.url}: {local}")


def _blocks(local: Path, start: int) -> Iterator[bytes]:
    with local.open("rb", buffering=0) as stream:
        stream.seek(start)
        while block := stream.read(BLOCK):
            yield block


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
