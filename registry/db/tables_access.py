"""The tables of those who call: hosts and their one-time tokens, persons behind pseudonyms
and where they are signed in."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


class Host(Table):
    """An enrolled host. `recipient` is its X25519 key as age writes it, `age1…`.

    `fingerprint` is the sha256 of the newest certificate it was given, empty where it has none.
    What it was given before `enrolled_at` no longer counts. Revoked ones stay.
    """

    __tablename__ = "hosts"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    certificate_until: Mapped[datetime | None] = mapped_column(Instant)
    enrolled_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)


class Enrolment(Table):
    """A one-time token with which one host may enrol. Only the sha256 of the secret is kept."""

    __tablename__ = "enrolments"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    host: Mapped[str] = mapped_column(String(128), index=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_by: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class Person(Table):
    """Who is behind a pseudonym. Without this row nobody can tell, nor make the pseudonym again."""

    __tablename__ = "persons"
    __table_args__ = (Index(None, "issuer", "subject", unique=True),)

    pseudonym: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(256))
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    known_as: Mapped[str] = mapped_column(String(256))
    first_seen_at: Mapped[datetime] = mapped_column(Instant)


class Session(Table):
    """Somebody is signed in with a browser, until then. Only the sha256 of the secret is kept.

    `attempt` is the sha256 of the sign-in's state, so that no answer of a provider makes a second
    one; `claims`, what the provider said of the person, is sealed.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "issuer", "subject"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    attempt: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    issuer: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(256))
    claims: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)
