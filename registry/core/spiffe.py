"""SPIFFE-style names of hosts: `spiffe://trust-domain/host/name`, in certificates.

SPIFFE-ID, section 2: a trust domain of lower-case letters, digits, '.', '-' and '_'; no port, no
user, no query, no fragment. X509-SVID, section 2: exactly one URI in the certificate.
"""

import re

from registry.core import names
from registry.errors import InvalidInput

_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_FORM = re.compile(r"spiffe://([a-z0-9._-]{1,255})/host/([a-z0-9._-]{1,128})")


def host(trust_domain: str, name: str) -> str:
    """The name of a host."""
    return f"spiffe://{trust_domain}/host/{names.slug(name, what='host name')}"


def host_of(uri: str, trust_domain: str) -> str | None:
    """The host whose name in `trust_domain` is `uri`; None for any other name."""
    form = _FORM.fullmatch(uri)
    if form is None or form[1] != trust_domain or not names.is_slug(form[2]):
        return None
    return form[2]


def trust_domain(text: str) -> str:
    """`text`, if it may stand between `spiffe://` and the first slash."""
    if not _DOMAIN.fullmatch(text):
        raise InvalidInput(
            f"trust domain {text[:80]!r} is not allowed",
            fix="use lower-case letters, digits, '.', '-' and '_', such as models.example.org",
        )
    return text
