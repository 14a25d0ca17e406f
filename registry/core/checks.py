"""What is checked before a version may load, each under a stable name, in the order of checking.

Whoever refuses says which check failed: in the status, in the event, in the log line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from registry.errors import IntegrityError, InvalidInput, NotFound, PlimsollError, Quarantined


class Check(StrEnum):
    """docs/trust/verified-load.md says what each one proves."""

    TRUST_ROOT = "trust_root"
    ENVELOPE = "envelope"
    MANIFEST = "manifest_digest"
    REGISTRY = "registry_statement"
    LOG = "log_inclusion"
    WITNESS = "witness"
    DERIVATION = "derivation"
    PUBLISHER = "publisher_signature"
    EVIDENCE = "evidence"
    COPY = "copy"
    PERMIT = "permit"
    FILES = "files"
    FORMAT = "format"


class CheckFailed(Exception):
    """`check` failed with `cause`; it never leaves the function that begins the checks."""

    def __init__(self, check: Check, cause: PlimsollError) -> None:
        super().__init__(f"{check}: {cause.detail}")
        self.check = check
        self.cause = cause


@contextmanager
def checking(check: Check) -> Iterator[None]:
    """Whatever is refused in this block failed `check`, unless a check inside says otherwise."""
    try:
        yield
    except (IntegrityError, InvalidInput, NotFound, Quarantined) as error:
        raise CheckFailed(check, error) from error
