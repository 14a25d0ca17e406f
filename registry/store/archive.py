"""A backup in a folder: blobs by digest, everything else in one new folder for each backup.

`manifest.json` is written last, in one rename, and names the folder and the SHA-256 of each file
in it. Until then the backup before it is the one that counts, and blobs that are there already
are not copied again. All of it is readable by its owner alone.
"""

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from registry import errors
from registry.core import canonical, fields
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.store import durable
from registry.store.folder import FolderStore
from registry.store.spool import FolderUploads

FORMAT = "plimsoll-backup/1"
_MANIFEST = "manifest.json"
_PREFIX = "backup-"
_WHAT = "the backup's manifest.json"
_UNLIMITED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """One file of a backup, as it was written."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a whole backup says of itself.

    `tables` are in the order of loading, each with its number of rows; `missing` are bytes that
    were lost before the backup was taken.
    """

    folder: str
    taken: str
    schema: str
    origin: str
    checkpoint: str
    tables: list[tuple[str, int]]
    blobs: int
    blob_bytes: int
    missing: list[str]
    with_keys: bool
    files: dict[str, Stamp] = field(default_factory=dict)


class Writer:
    """A backup that is being taken. It counts once `commit` has returned."""

    def __init__(self, archive: "Archive") -> None:
        self.archive = archive
        self.name = f"{_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self.folder = archive.root / self.name
        self.folder.mkdir(mode=0o700)
        self.files: dict[str, Stamp] = {}

    def write(self, name: str, content: bytes) -> None:
        """A small file."""
        self.write_all(name, [content])

    def write_lines(self, name: str, documents: Iterable[Json]) -> int:
        """A JSON document a line; says how many."""
        count = 0

        def lines() -> Iterator[bytes]:
            nonlocal count
            for document in documents:
                count += 1
                yield json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
                yield b"\n"

        self.write_all(name, lines())
        return count

    def write_all(self, name: str, pieces: Iterable[bytes]) -> None:
        """A file as it comes, synced; raises StorageFull."""
        path = self.folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hasher, size = hashlib.sha256(), 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with durable.full_disk_named(name), open(descriptor, "wb") as file:  # noqa: PTH123
            for piece in pieces:
                hasher.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
            os.fsync(descriptor)
        self.files[name] = Stamp(hasher.hexdigest(), size)

    def lines(self, name: str) -> Iterator[Json]:
        """What was written as `name`, a document a line."""
        with (self.folder / name).open("rb") as file:
            for line in file:
                yield json.loads(line)

    def discard(self, name: str) -> None:
        """What was only needed on the way."""
        (self.folder / name).unlink()
        del self.files[name]

    def commit(self, manifest: Manifest) -> None:
        """From here on this is the backup. What only older ones needed goes."""
        for folder in {self.folder, *(path.parent for path in self.folder.rglob("*"))}:
            durable.sync_folder(folder)
        durable.sync_folder(self.archive.root)
        document = {"format": FORMAT, **asdict(manifest)}
        durable.write_private(self.archive.root / _MANIFEST, canonical.encode(document) + b"\n")
        self.archive.tidy(manifest)


class Archive:
    """`root` is a folder that holds one backup and nothing else."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def blobs(self) -> FolderStore:
        return FolderStore(self.root / "blobs")

    @property
    def sealed(self) -> FolderStore:
        """The payloads of encrypted blobs."""
        return FolderStore(self.root / "blobs" / "age")

    @property
    def uploads(self) -> FolderUploads:
        return FolderUploads(self.blobs, max_bytes=_UNLIMITED)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Make the folder where it is not there; raises Conflict where it is something else's."""
        with durable.full_disk_named(str(self.root)):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
        self._require_own()
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            for left in (self.root / "blobs").glob("**/uploads/*"):
                left.unlink()
            yield Writer(self)
        finally:
            os.close(descriptor)

    def manifest(self) -> Manifest:
        """What the last whole backup says; raises InvalidInput where there is none."""
        try:
            content = (self.root / _MANIFEST).read_bytes()
        except OSError as error:
            raise errors.InvalidInput(
                f"{self.root} holds no whole backup: {_MANIFEST}: {error.strerror}",
                fix="a backup that was interrupted does not count: run it again to its end",
            ) from error
        try:
            return _manifest(canonical.decode_object(content, what=_WHAT))
        except errors.InvalidInput as error:
            raise errors.IntegrityError(f"{self.root}: {error.detail}") from error

    def damaged(self, manifest: Manifest) -> list[str]:
        """The files, all but blobs, that are not as they were written."""
        wrong = []
        for name, stamp in sorted(manifest.files.items()):
            try:
                is_same = self._stamp(self._path(manifest, name)) == stamp
            except OSError as error:
                wrong.append(f"{manifest.folder}/{name}: {error.strerror}")
                continue
            if not is_same:
                wrong.append(f"{manifest.folder}/{name}: not as it was written")
        return wrong

    def read(self, manifest: Manifest, name: str) -> bytes | None:
        """A small file; None where the backup has none of that name."""
        return self._path(manifest, name).read_bytes() if name in manifest.files else None

    def read_lines(self, manifest: Manifest, name: str) -> Iterator[Json]:
        """The documents of a file of lines."""
        with self._path(manifest, name).open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise errors.IntegrityError(f"{name} has a line that is no JSON") from error

    def blob_list(self, manifest: Manifest) -> Iterator[tuple[str, int]]:
        """(digest, size) of every blob in the backup."""
        for line in self.read_lines(manifest, "blobs.jsonl"):
            match line:
                case [str(digest), int(size)]:
                    yield digests.parse(digest), size
                case _:
                    raise errors.IntegrityError("blobs.jsonl has a line that names no blob")

    def tidy(self, manifest: Manifest) -> None:
        """Remove what `manifest` does not name: older backups, and blobs that only they needed."""
        for folder in self.root.glob(f"{_PREFIX}*"):
            if folder.name != manifest.folder:
                shutil.rmtree(folder, ignore_errors=True)
        wanted = {digests.raw(digest) for digest, _ in self.blob_list(manifest)}
        blobs, sealed = self.blobs, self.sealed
        for digest in list(sealed.digests()):
            if digests.raw(digest) not in wanted:
                sealed.delete(digest)
        for digest in list(blobs.digests()):
            if digests.raw(digest) not in wanted or sealed.size(digest) is not None:
                blobs.delete(digest)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.Conflict(
                f"another backup into {self.root} is running", fix="wait for it to end"
            ) from None

    def _require_own(self) -> None:
        known = {_MANIFEST, "blobs", ".lock"}
        for path in self.root.iterdir():
            if path.name not in known and not path.name.startswith((_PREFIX, f".{_MANIFEST}")):
                raise errors.Conflict(
                    f"{self.root} holds something else than a backup: {path.name}",
                    fix="name an empty folder, or one that an earlier backup went to",
                )

    def _path(self, manifest: Manifest, name: str) -> Path:
        return self.root / manifest.folder / name

    def _stamp(self, path: Path) -> Stamp:
        with path.open("rb") as file:
            hasher = hashlib.file_digest(file, "sha256")
            return Stamp(hasher.hexdigest(), file.tell())


def _manifest(document: Mapping[str, Json]) -> Manifest:
    found = dict(document)
    if found.get("format") != FORMAT:
        raise errors.InvalidInput(f"{_WHAT} is of another format than {FORMAT}")
    folder = fields.text(found, "folder", what=_WHAT)
    files = fields.mapping(found, "files", what=_WHAT)
    if Path(folder).name != folder or any(_leaves(name) for name in files):
        raise errors.InvalidInput(f"{_WHAT} names files elsewhere")
    return Manifest(
        folder=folder,
        taken=fields.text(found, "taken", what=_WHAT),
        schema=fields.text(found, "schema", what=_WHAT),
        origin=fields.text(found, "origin", what=_WHAT),
        checkpoint=fields.text(found, "checkpoint", what=_WHAT),
        tables=[_counted(one) for one in fields.sequence(found, "tables", what=_WHAT)],
        blobs=fields.integer(found, "blobs", what=_WHAT),
        blob_bytes=fields.integer(found, "blob_bytes", what=_WHAT),
        missing=[str(one) for one in fields.sequence(found, "missing", what=_WHAT)],
        with_keys=found.get("with_keys") is True,
        files={name: _stamp(files, name) for name in files},
    )


def _stamp(files: dict[str, Json], name: str) -> Stamp:
    found = fields.mapping(files, name, what=_WHAT)
    return Stamp(
        fields.text(found, "sha256", what=_WHAT), fields.integer(found, "size", what=_WHAT)
    )


def _counted(one: Json) -> tuple[str, int]:
    match one:
        case [str(name), int(count)]:
            return name, count
        case _:
            raise errors.InvalidInput(f"{_WHAT} has a table without a count")


def _leaves(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")
