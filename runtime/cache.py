"""The last-known-good cache: verified versions on disk, by digest, for starts without a registry.

    versions/<hex>/envelope.json and files/...   whole and once verified, but never trusted again
    permits/<hex>.<deployment>.json              under which it was first loaded here
    incoming/<hex>/...                           a pull under way, or one that was cut off
    costs/<hex>.<how>                            what it took of memory when it was loaded here
    shared/<hex>                                 files of versions, by digest: hard links
    trust.json                                   the signed trust root that this host accepted last
    locks/<hex>.pull, locks/<hex>.use            flock: several runtimes of a host share one cache

A version enters by one rename of a synced folder, so a crash leaves it absent or whole. The disk
proves nothing: every start checks the stored envelope and hashes every file again.
"""

import dataclasses
import fcntl
import hashlib
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.core import envelope, trustchain
from registry.core.checks import Check
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.oms import File
from registry.core.trustroot import TrustRoot
from runtime import durable
from runtime.costs import Costs
from runtime.locks import Locks
from runtime.permits import Permits
from runtime.shared_files import SharedFiles

_ABANDONED_SECONDS = 24 * 3600
# Where a version finds no room. A pull that still goes on has tried again since then.
_ABANDONED_WHEN_SHORT_SECONDS = 600
# So far ahead no clock was by being a little off: one that was wrong has been set back.
_AHEAD_SECONDS = 60
_REMOVED = ".removed."
_TRUST_LOCK = "trust"
# Files are hashed several at once: it is most of what a start from the cache takes.
_HASHERS = 4


@dataclass(frozen=True, slots=True)
class Copy:
    """Verified files on this disk. While `lease` is open nobody evicts them."""

    verified: Verified
    files: Path
    lease: BinaryIO


class Cache:
    """One folder, shared by the runtimes of one host; `keep` versions stay when room is made."""

    def __init__(self, root: Path, *, keep: int) -> None:
        self._root = root
        self._keep = keep
        for name in ("versions", "incoming"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._locks = Locks(root / "locks")
        self.permits = Permits(root / "permits")
        self.costs = Costs(root / "costs")
        self._shared = SharedFiles(root / "shared")

    def accept_trust(self, offered: bytes) -> TrustRoot:
        """The trust root in `offered`, if it follows the one that this host accepted last.

        Raises `TrustRootRefused` for a rollback and the like, `InvalidInput` for what is none.
        """
        kept = self._root / "trust.json"
        with self._locks.take(_TRUST_LOCK, fcntl.LOCK_EX):
            held = kept.read_bytes() if kept.exists() else b""
            found = trustchain.read(offered, held)
            if found.root is not None and offered != held:
                durable.replace(kept, offered)
        return found

    def free_bytes(self) -> int:
        """Room on the cache's disk."""
        return shutil.disk_usage(self._root).free

    @contextmanager
    def pulling(self, digest: str) -> Iterator[None]:
        """Only one runtime at a time checks, discards or pulls a version; the others wait."""
        with self._locks.take(f"{_hex(digest)}.pull", fcntl.LOCK_EX):
            yield

    def incoming(self, digest: str, files: tuple[File, ...]) -> Path:
        """Where a pull writes `files`; of those, what an earlier pull left there is kept."""
        staged = self._root / "incoming" / _hex(digest)
        folder = staged / "files"
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(staged)  # not abandoned, however long ago it was begun
        wanted = {folder / file.path for file in files}
        for path in _leaves(folder):
            if path.is_symlink() or path not in wanted:
                path.unlink()
        return folder

    def missing(self, digest: str, files: tuple[File, ...]) -> int:
        """Bytes of `files` that a pull has still to write, after what is here of them."""
        staged = self._root / "incoming" / _hex(digest)
        unbegun = [file for file in files if not (staged / "files" / file.path).exists()]
        here = sum(_size(path) for path in _leaves(staged))
        here += sum(file.size for file in unbegun if self._shared.find(file))
        return max(sum(file.size for file in files) - here, 0)

    def pieces(self, digest: str, file: File) -> Path:
        """Where a pull may keep what it has of one file before its turn."""
        return self._root / "incoming" / _hex(digest) / "pieces" / _hex(file.digest)

    def take(self, file: File, target: Path) -> bool:
        """Make `target` that file if some version here has it and its bytes are right."""
        found = None if target.exists() else self._shared.find(file)
        if found is None or not self._shared.link(found, target):
            return False
        if _wrong(target.parent, dataclasses.replace(file, path=target.name)):
            target.unlink()
            self._shared.drop(file)
            return False
        return True

    def check(self, wanted: Wanted, trust: TrustRoot) -> Copy | Refused | None:
        """The stored copy if every check holds today; None where there is none."""
        folder = self._root / "versions" / _hex(wanted.digest)
        # Before it is looked at: whoever makes room meanwhile has to leave it.
        lease = self._lease(wanted.digest)
        try:
            found = look(folder, wanted, trust, what="cached") if folder.exists() else None
            if isinstance(found, Verified):
                os.utime(folder)
                return Copy(found, folder / "files", lease)
        except BaseException:
            lease.close()
            raise
        lease.close()
        return found

    def admit(self, verified: Verified, document: bytes) -> Copy:
        """Make the files in `incoming`, synced and compared, a version of the cache."""
        digest = verified.wanted.digest
        staged = self._root / "incoming" / _hex(digest)
        shutil.rmtree(staged / "pieces", ignore_errors=True)
        durable.replace(staged / "envelope.json", document)
        durable.sync_tree(staged)
        lease = self._lease(digest)
        target = self._root / "versions" / _hex(digest)
        durable.move(staged, target)
        for file in verified.files:
            self._shared.keep(file, target / "files" / file.path)
        self.make_room(is_short=False)
        return Copy(verified, target / "files", lease)

    def discard(self, digest: str) -> None:
        """Forget a version and all that was pulled of it."""
        for place in ("versions", "incoming"):
            self._remove(self._root / place / _hex(digest))

    def make_room(self, *, is_short: bool) -> None:
        """Drop the least recently used versions that no runtime serves, and abandoned pulls;
        sooner, if it `is_short`."""
        now = time.time()
        used = {folder: _age(folder, now) for folder in (self._root / "versions").iterdir()}
        for folder in sorted(used, key=used.__getitem__)[self._keep :]:
            self._remove_unless_locked(folder, "use")
        most = _ABANDONED_WHEN_SHORT_SECONDS if is_short else _ABANDONED_SECONDS
        for folder in (self._root / "incoming").iterdir():
            if _REMOVED in folder.name:  # whoever removed it has died over that
                shutil.rmtree(folder, ignore_errors=True)
            elif _age(folder, now) > most:
                self._remove_unless_locked(folder, "pull")
        self._shared.forget_unused()
        self._forget_what_is_gone()

    def _forget_what_is_gone(self) -> None:
        """But for what is on its way: its permit is here before any of its files."""
        for digest in self.permits.digests() | self.costs.digests():
            with suppress(BlockingIOError), self._unless_locked(f"{digest}.pull"):
                if not self._is_here(digest):
                    self.permits.forget(digest)
                    self.costs.forget(digest)
        self._locks.forget(
            lambda name: name == _TRUST_LOCK or self._is_here(name.partition(".")[0])
        )

    def _is_here(self, name: str) -> bool:
        return any((self._root / place / name).exists() for place in ("versions", "incoming"))

    def _lease(self, digest: str) -> BinaryIO:
        return self._locks.take(f"{_hex(digest)}.use", fcntl.LOCK_SH)

    def _unless_locked(self, name: str) -> BinaryIO:
        return self._locks.take(name, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _remove_unless_locked(self, folder: Path, kind: str) -> None:
        with suppress(BlockingIOError), self._unless_locked(f"{folder.name}.{kind}"):
            self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Out of sight by one rename first: a crash in between leaves no half version in place."""
        doomed = self._root / "incoming" / f"{folder.name}{_REMOVED}{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            folder.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def look(folder: Path, wanted: Wanted, trust: TrustRoot, *, what: str) -> Verified | Refused:
    """Whether envelope.json and files/ in a `what` folder are this version, every byte of it."""
    try:
        document = (folder / "envelope.json").read_bytes()
    except OSError as error:
        said = f"{what} envelope cannot be read: {error.strerror}"
        return Refused("integrity", said, Check.ENVELOPE)
    found = envelope.verify(document, trust, wanted)
    if isinstance(found, Refused):
        return Refused(found.code, f"{what} copy: {found.reason}", found.check)
    wrong = _difference(folder / "files", found.files)
    if wrong:
        return Refused("digest_mismatch", f"{what} copy: {wrong}", Check.FILES)
    return found


def digest_of(path: Path) -> str:
    """The digest of a plain file; a symbolic link is an `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _difference(folder: Path, files: tuple[File, ...]) -> str:
    """A way in which `folder` is not exactly `files`; empty when it is."""
    present = {str(path.relative_to(folder)) for path in _leaves(folder)}
    for extra in sorted(present - {file.path for file in files}):
        return f"file {extra!r} is not part of the version"
    with ThreadPoolExecutor(_HASHERS, thread_name_prefix="hash") as pool:
        shares = [files[start::_HASHERS] for start in range(min(_HASHERS, len(files)))]
        return next(filter(None, pool.map(lambda share: _first_wrong(folder, share), shares)), "")


def _first_wrong(folder: Path, files: tuple[File, ...]) -> str:
    return next(filter(None, (_wrong(folder, file) for file in files)), "")


def _wrong(folder: Path, file: File) -> str:
    try:
        actual = digest_of(folder / file.path)
    except OSError as error:
        return f"file {file.path!r}: {error.strerror}"
    if actual != file.digest:
        return f"file {file.path!r} has the digest {actual}, the manifest says {file.digest}"
    return ""


def _age(folder: Path, now: float) -> float:
    """Seconds since it was used. What a wrong clock dated ahead goes behind all that is known."""
    try:
        age = now - folder.stat().st_mtime
    except FileNotFoundError:  # another runtime has removed it
        return math.inf
    return age if age > -_AHEAD_SECONDS else math.inf


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _leaves(folder: Path) -> list[Path]:
    """Everything below `folder` that is not a real folder, links to folders included."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        found += (Path(place, name) for name in names)
        found += (path for name in folders if (path := Path(place, name)).is_symlink())
    return found


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
