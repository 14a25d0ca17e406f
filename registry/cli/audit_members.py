"""The files that an audit reads, one after the other: from a bundle, or from a registry.

Both give the same sequence, so that what checks the one checks the other, and what is exported
from a registry is exactly what was checked. Nothing is believed here.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator
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


def of_registry(client: "Client", trust: TrustRoot, proofs: Documents) -> Iterator[Member]:
    """The log as it is now, some steps fetched ahead of what is asked for."""
    signed = client.checkpoint()
    checkpoint = checkpoints.checkable(signed, trust)
    size = checkpoints.verify(checkpoint.encode(), trust).size
    yield Member(layout.README, readme.README)
    yield Member(layout.TRUST, canonical.encode(trust.document()))
    yield Member(layout.CHECKPOINT, checkpoint.encode())
    steps = layout.steps(size)
    with ThreadPoolExecutor(_WORKERS) as pool:
        coming: deque[Future[list[Member]]] = deque()
        try:
            for step in itertools.chain(steps, [None] * _AHEAD):
                if step is not None:
                    coming.append(pool.submit(_step, client, step, proofs))
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


def _step(client: "Client", step: layout.Step, proofs: Documents) -> list[Member]:
    entries = client.tile(step.path)
    tiles = [Member(tile.path, client.tile(tile.path)) for tile in step.tiles]
    return [Member(step.path, entries), *tiles, *proofs(client, step, entries)]
