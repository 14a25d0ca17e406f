"""Persons and their pseudonyms. The log knows the pseudonym; the one row here knows whose it is.

To erase the row is to erase the person from the log: the salt goes with it, and no list of all
the people there are leads from the pseudonym back to one.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from registry import errors
from registry.core import entries, pseudonym
from registry.core.identity import Caller
from registry.db import log as log_rows
from registry.db import persons, sessions
from registry.db.tables_access import Person
from registry.usecases import log
from registry.usecases.opening import Registry


def pseudonym_of(registry: Registry, issuer: str, subject: str, known_as: str) -> str:
    """The person's pseudonym, made when they are first seen."""
    with registry.database.reading() as session:
        found = persons.of(session, issuer, subject)
    if found is not None and found.known_as == known_as[:256]:
        return found.pseudonym
    try:
        return _remember(registry, issuer, subject, known_as[:256])
    except errors.Conflict:
        # Another request of the same person was first.
        with registry.database.reading() as session:
            found = persons.of(session, issuer, subject)
        if found is None:
            raise
        return found.pseudonym


def called(registry: Registry, text: str) -> Sequence[Person]:
    """Those with this pseudonym, subject or name; raises NotFound."""
    with registry.database.reading() as session:
        found = persons.called(session, text)
    if not found:
        raise errors.NotFound(
            "nobody of this name is known",
            fix="a person is known from the first request on until they are erased",
        )
    return found


def known_as(registry: Registry, name: str) -> str:
    """What the provider calls whoever is behind the pseudonym; empty for whom nobody knows."""
    with registry.database.reading() as session:
        found = persons.find(session, name)
    return "" if found is None else found.known_as


def erase(registry: Registry, name: str, *, reason: str, by: Caller) -> None:
    """Forget who is behind the pseudonym; raises NotFound. The log keeps the pseudonym alone."""
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        person = persons.find(session, name)
        if person is None:
            raise errors.NotFound(f"nobody is known behind {name[:40]!r}")
        sessions.end_all(session, person.issuer, person.subject)
        session.delete(person)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.PERSON_ERASED,
            actor=by.actor,
            reason=reason,
            detail={"pseudonym": person.pseudonym},
        )
        log.append(session, registry, entry, now=now)
        session.commit()
    registry.callers.clear()


def _remember(registry: Registry, issuer: str, subject: str, known_as: str) -> str:
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        person = persons.of(session, issuer, subject)
        if person is None:
            salt = secrets.token_bytes(pseudonym.SALT_BYTES)
            person = Person(
                pseudonym=pseudonym.of(issuer, subject, salt),
                issuer=issuer,
                subject=subject,
                salt=salt,
                first_seen_at=datetime.now(UTC),
            )
            session.add(person)
        person.known_as = known_as
        session.commit()
        return person.pseudonym
