"""The files that an audit reads, one after the other: from a bundle, or from a registry.

Both give the same sequence, so that what checks the one checks the other, and what is exported
from a registry is exactly what was checked. Nothing is believed here.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors
from registry.core import canonical
from registry.core.audit import archive, checkpoints, documents, layout, readme
from registry.core.audit.archive import Member
from registry.core.trustroot import TrustRoot

if TYPE_CHECKING:
    from registry.cli.client import Client

_WORKERS, _AHEAD = 3, 6
_BUFFER = 1024 * 1024

Documents = Callable[["Client", layout.Step, bytes], list[Member]]


def of_bundle(path: Path) -> Iterator[Member]:
    """Raises BundleInvalid where the file is no bundle, InvalidConfig where there is none."""
    try:
        with path.open("rb", buffering=_BUFFER) as stream:
            yield from archive.members(stream.read)
    except OSError as error:
        raise errors.InvalidConfig(
            f"{path}: the bundle cannot be read: {error.strerror}",
            fix="make one with: plimsoll audit export --out bundle.tar",
        ) from error


def of_registry(
    client: "Client", trust: TrustRoot, proofs: Documents, *, earlier: Path | None = None
) -> Iterator[Member]:
    """The log as it is now, some steps fetched ahead of what is asked for.

    Full tiles that the `earlier` bundle has are taken from there, and its checkpoints stand in
    the new one. Documents are always asked for: some may have been erased since.
    """
    known = _Known(earlier)
    signed = client.checkpoint()
    checkpoint = checkpoints.checkable(signed, trust)
    size = checkpoints.verify(checkpoint.encode(), trust).size
    yield Member(layout.README, readme.README)
    yield Member(layout.TRUST, canonical.encode(trust.document()))
    yield Member(layout.CHECKPOINT, checkpoint.encode())
    yield from known.checkpoints(trust, below=size)
    steps = layout.steps(size)
    with ThreadPoolExecutor(_WORKERS) as pool:
        coming: deque[Future[list[Member]]] = deque()
        try:
            for step in itertools.chain(steps, [None] * _AHEAD):
                if step is not None:
                    coming.append(pool.submit(_step, client, step, proofs, known.tiles(step)))
                if coming and (step is None or len(coming) > _AHEAD):
                    yield from coming.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def proving(client: "Client", step: layout.Step, entries: bytes) -> list[Member]:
    """The documents of a step, where its entries look as if there were any."""
    if not any(b'"kind":"%s"' % kind.encode() in entries for kind in documents.ROLES):
        return []
    return [
        Member(layout.Document(index, role, hashlib.sha256(content).hexdigest()).name, content)
        for index, role, content in client.documents(step.start, step.start + step.width)
    ]


def none(client: "Client", step: layout.Step, entries: bytes) -> list[Member]:
    """For a caller without a token: the log alone is open to everybody."""
    return []


def _step(
    client: "Client", step: layout.Step, proofs: Documents, known: Mapping[str, bytes]
) -> list[Member]:
    def tile(path: str) -> Member:
        return Member(path, known[path] if path in known else client.tile(path))

    entries = tile(step.path)
    tiles = [tile(one.path) for one in step.tiles]
    return [entries, *tiles, *proofs(client, step, entries.content)]


class _Known:
    """What an earlier bundle has of the log, read once, in the order in which it is asked for."""

    def __init__(self, path: Path | None) -> None:
        self._members = of_bundle(path) if path is not None else iter(())
        self._next = next(self._members, None)

    def checkpoints(self, trust: TrustRoot, *, below: int) -> Iterator[Member]:
        """All that it has, as earlier ones, oldest first."""
        found: dict[int, str] = {}
        while self._next is not None and not self._next.name.startswith("tile/"):
            if self._next.name.startswith(layout.CHECKPOINT):
                text = checkpoints.checkable(_text(self._next), trust)
                found[checkpoints.verify(text.encode(), trust).size] = text
            self._next = next(self._members, None)
        for size in sorted(found):
            if size < below:
                yield Member(layout.earlier(size), found[size].encode())

    def tiles(self, step: layout.Step) -> Mapping[str, bytes]:
        """The entries and hashes of this step; nothing where it has them not, or not all."""
        found: dict[str, bytes] = {}
        if self._next is None or self._next.name != step.path:
            return found
        while self._next is not None and (not found or not _begins(self._next)):
            if self._next.name.startswith("tile/"):
                found[self._next.name] = self._next.content
            self._next = next(self._members, None)
        return found


def _begins(member: Member) -> bool:
    return member.name.startswith("tile/entries/")


def _text(member: Member) -> str:
    return member.content.decode("utf-8", "replace")
