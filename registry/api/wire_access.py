"""The documents about callers: hosts, enrolments, and who somebody is."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from registry.api.wire import Document
from registry.db import tables_access
from registry.usecases.enrolment import Certified


class HostDocument(Document):
    """`recipient` is the key files are encrypted to; `fingerprint` the newest certificate's."""

    name: str
    recipient: str
    fingerprint: str
    certificate_until: datetime | None
    enrolled_at: datetime
    revoked_at: datetime | None


class HostList(Document):
    hosts: list[HostDocument]
    next_page_token: str | None = None


def host_document(row: tables_access.Host) -> HostDocument:
    return HostDocument(
        name=row.name,
        recipient=row.recipient,
        fingerprint=row.fingerprint,
        certificate_until=row.certificate_until,
        enrolled_at=row.enrolled_at,
        revoked_at=row.revoked_at,
    )


class GrantDocument(Document):
    """A role, and globs of the models and projects it may be used on."""

    role: str
    models: list[str]
    projects: list[str]


class WhoAmI(Document):
    """`name` is a pseudonym for persons; `means` is token, certificate or oidc."""

    name: str
    means: str
    certificate: str
    grants: list[GrantDocument]
    routes: list[str]


class NewInvitation(Document):
    """`minutes` is how long it may be used; left out, as the settings say."""

    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] | None = None


class InvitationDocument(Document):
    host: str
    token: str
    expires_at: datetime


class NewEnrolment(Document):
    """`certificateRequest` is PKCS#10 in PEM, `recipient` an `age1…` key."""

    certificate_request: Annotated[str, Field(max_length=16384)]
    recipient: Annotated[str, Field(max_length=128)]


class NewCertificate(Document):
    certificate_request: Annotated[str, Field(max_length=16384)]


class CertifiedDocument(Document):
    """`certificate` and `authority` are PEM; `uri` is the name in the certificate."""

    host: str
    uri: str
    certificate: str
    authority: str
    expires_at: datetime


def certified_document(certified: Certified) -> CertifiedDocument:
    return CertifiedDocument(
        host=certified.host,
        uri=certified.uri,
        certificate=certified.issued.pem,
        authority=certified.authority,
        expires_at=certified.issued.until,
    )


class PersonWanted(Document):
    """`called` is a pseudonym, or what the identity provider calls the person."""

    called: Annotated[str, Field(min_length=1, max_length=512)]


class PersonErasure(Document):
    """`reason` is kept in the log: it should name nobody."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class PersonDocument(Document):
    pseudonym: str
    known_as: str
    issuer: str
    subject: str
    first_seen_at: datetime


class PersonList(Document):
    persons: list[PersonDocument]


def person_document(row: tables_access.Person) -> PersonDocument:
    return PersonDocument(
        pseudonym=row.pseudonym,
        known_as=row.known_as,
        issuer=row.issuer,
        subject=row.subject,
        first_seen_at=row.first_seen_at,
    )
