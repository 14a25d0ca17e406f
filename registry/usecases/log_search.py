"""Looks into the log: the newest entries that fit, as it was at a moment; one with its proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry import errors
from registry.core import entries
from registry.core.identity import Identity, Role
from registry.db import log as log_rows
from registry.db import log_search as rows
from registry.db import persons
from registry.db.engine import Session
from registry.db.log_search import Span, Wanted
from registry.usecases import log
from registry.usecases.catalogue import Logged
from registry.usecases.log import Proof
from registry.usecases.opening import Registry

# The same who may ask whose a pseudonym is.
_LOOKING_UP = frozenset({Role.ADMIN, Role.AUDITOR})
_SMALLEST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class When:
    """Entries written from `since` up to `until`, and of those only the ones `before` an index."""

    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


ALWAYS = When()


def newest(registry: Registry, wanted: Wanted, when: When = ALWAYS, *, limit: int) -> list[Logged]:
    """Newest first."""
    with registry.database.reading() as session:
        found = rows.newest(session, wanted, _span(session, when), limit=limit)
    return [Logged(index, entries.decode(leaf)) for index, leaf in found]


def proofs(registry: Registry, wanted: Wanted, when: When = ALWAYS, *, limit: int) -> list[Proof]:
    """The same entries, each with its proof: in the checkpoint that enough witnesses cosigned
    where that covers it, in the newest else."""
    with registry.database.reading() as session:
        found = rows.newest(session, wanted, _span(session, when), limit=limit)
        indexes = [index for index, _ in found]
        views = (log.cosigned(session), log.newest(session))
        old = [one for one in indexes if one < views[0].size]
        new = [one for one in indexes if one >= views[0].size]
        return [
            proof
            for some, view in ((new, views[1]), (old, views[0]))
            if some
            for proof in log.prove_all(session, some, view)
        ]


def may_look_up(identity: Identity) -> bool:
    """Whether this caller may ask for persons by name, and for who signed what."""
    caller = identity.acting(_LOOKING_UP)
    return caller is not None and caller.scope.is_everything


def asked_for(names: Sequence[str], *, looks_up: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The `actors` and `signers` of `Wanted`: who may not look up finds what the log says alone."""
    return tuple(names), tuple(names) if looks_up else ()


def names_of(registry: Registry, text: str, *, looks_up: bool) -> tuple[str, ...]:
    """By which names to ask for whom somebody calls `text`: their pseudonyms, for a person who is
    known. Raises NotFound for whom nobody knows, as for those who were erased."""
    with registry.database.reading() as session:
        known = persons.called(session, text) if looks_up else ()
        if known:
            return tuple(person.pseudonym for person in known)
        if rows.is_actor(session, entries.role_and_name(text)[1]):
            return (text,)
        if looks_up and rows.is_signer(session, text):
            return (text,)
    raise errors.NotFound(
        "nobody of this name is in the log, or may be looked up by you",
        fix="ask for a machine, a pseudonym or, as an auditor, for a person or a signer by name",
    )


def proven(registry: Registry, index: int) -> Proof:
    """The entry, and that it is in the log as signed now; raises NotFound."""
    with registry.database.reading() as session:
        size = log_rows.require_head(session).size
        if not 0 <= index < size:
            raise errors.NotFound(
                f"no entry {index} in a log of {size}", fix="ask for an index below the size"
            )
        return log.prove(session, index)


def _span(session: Session, when: When) -> Span:
    size = log_rows.require_head(session).size
    start, stop = 0, size
    if when.since is not None:
        start = rows.size_at(session, when.since - _SMALLEST, size=size)
    if when.until is not None:
        stop = rows.size_at(session, when.until, size=size)
    if when.before is not None:
        stop = min(stop, when.before)
    return Span(start, stop)
