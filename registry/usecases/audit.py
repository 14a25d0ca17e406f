"""The documents that entries of the log are about, for auditors, in pages of bounded size."""

from dataclasses import dataclass

from registry import errors
from registry.db import auditing
from registry.usecases.opening import Registry

# What is one page, give or take one entry's documents.
_BYTES = 8 * 1024**2
MOST = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """One document about entry `index`, byte for byte."""

    index: int
    role: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """In the order of the log, by role; `following` is where the next page begins."""

    documents: tuple[Document, ...]
    following: int


def documents(registry: Registry, *, start: int, stop: int) -> Page:
    """Of the entries from `start` up to `stop`; what an erasure took is not among them."""
    if not start <= stop <= start + MOST:
        raise errors.InvalidInput(
            f"documents from {start} to {stop} cannot be had", fix=f"ask for up to {MOST} entries"
        )
    found, total = list[Document](), 0
    with registry.database.reading() as session:
        for index, roles in auditing.documents(session, start=start, stop=stop):
            if total >= _BYTES:
                return Page(tuple(found), index)
            kept = [(role, content) for role, content in sorted(roles.items()) if content]
            found += [Document(index, role, content) for role, content in kept]
            total += sum(len(content) for _, content in kept)
    return Page(tuple(found), stop)
