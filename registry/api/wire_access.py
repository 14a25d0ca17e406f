"""The documents about callers: hosts, enrolments, and who somebody is."""

from datetime import datetime

from registry.api.wire import Document
from registry.db import tables_access


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
