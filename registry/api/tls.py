"""TLS of the registry's own: its certificate, and who clients must have theirs from.

A client may show a certificate and need not; one that is shown must verify, or there is no
connection. Sessions are not resumed: each connection proves anew who it is.
"""

import ssl
from pathlib import Path

from registry import errors
from registry.settings_access import Access
from registry.trust import keys


def context(access: Access, authority: str) -> ssl.SSLContext | None:
    """None where the settings name no certificate; `authority` is the hosts' own, in PEM."""
    if access.certificate is None and access.key is None:
        return None
    if access.certificate is None or access.key is None:
        raise errors.InvalidConfig(
            "of tls_certificate and tls_key one is set and one is not", fix="set both, or neither"
        )
    keys.read_private(access.key)  # refuses one that others may read
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_OPTIONAL
    made.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    made.num_tickets = 0
    try:
        made.load_cert_chain(access.certificate, access.key)
        made.load_verify_locations(cadata=authorities(access, authority))
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise errors.InvalidConfig(
            f"{access.certificate} and {access.key} make no TLS server: {error}",
            fix="name a certificate chain in PEM, and the key that belongs to its first",
        ) from error
    return made


def authorities(access: Access, own: str) -> str:
    """Whom hosts' certificates may be from: the registry's own authority, and those configured."""
    return own if access.client_ca is None else own + read(access.client_ca)


def read(path: Path) -> str:
    """A PEM file; raises InvalidConfig."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InvalidConfig(f"{path}: cannot be read: {error}") from error
