"""Derivations: the registry's word that one host's own copy is a published version, marked for it.

A copy with a watermark has other bytes, so another digest, than what the publisher signed. The
registry signs which digest it was made from, how, and for which host; the commitment binds the
mark's key before anybody can look for one that fits. Predicate type
`https://plimsoll.dev/derivation/v1`; the subject is the copy's digest.
"""

import re
from dataclasses import dataclass

from registry.core import canonical, digest, dsse, fields
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE
from registry.errors import IntegrityError, InvalidInput

PREDICATE_TYPE = "https://plimsoll.dev/derivation/v1"
_WHAT = "derivation"
_METHOD = re.compile(r"[a-z][a-z0-9-]{0,31}/v[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Derivation:
    """`origin` and `copy` are manifest digests, `method` such as `wm/v1`, `recipient` a host.

    `commitment` is a digest too: of what the registry must reveal to prove the mark.
    """

    origin: str
    copy: str
    method: str
    recipient: str
    commitment: str


def encode(derivation: Derivation) -> bytes:
    """The payload the registry signs, in canonical JSON."""
    subject = {
        "name": derivation.recipient,
        "digest": {"sha256": derivation.copy.removeprefix("sha256:")},
    }
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "from": derivation.origin,
                "to": derivation.copy,
                "method": derivation.method,
                "recipient": derivation.recipient,
                "commitment": derivation.commitment,
            },
        }
    )


def verify(bundle: dict[str, Json], registry: dsse.Signer) -> Derivation:
    """What `registry` said in `bundle`; raises `IntegrityError` or `InvalidInput`."""
    payload = dsse.verify(bundle, [registry]).payload
    document = canonical.decode_object(payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"what should be a {_WHAT} is a statement of another type")
    predicate = fields.mapping(document, "predicate", what=_WHAT)
    method = fields.text(predicate, "method", what=_WHAT)
    if not _METHOD.fullmatch(method):
        raise InvalidInput(f"{_WHAT}: method {method[:40]!r} is not written like 'wm/v1'")
    said = Derivation(
        digest.parse(predicate.get("from")),
        digest.parse(predicate.get("to")),
        method,
        fields.text(predicate, "recipient", what=_WHAT),
        digest.parse(predicate.get("commitment")),
    )
    if encode(said) != payload:
        raise IntegrityError(f"{_WHAT} says more than, or other than, derivation/v1 may say")
    return said


def require(derivation: Derivation, *, origin: str, copy: str, host: str) -> None:
    """Raises `IntegrityError` unless `derivation` makes `copy` of `origin`, for `host` alone."""
    compared = (
        ("made from", derivation.origin, origin),
        ("about", derivation.copy, copy),
        ("made for", derivation.recipient, host),
    )
    for words, theirs, ours in compared:
        if theirs != ours:
            raise IntegrityError(
                f"the derivation is {words} {theirs[:80]!r}, wanted is {ours[:80]!r}",
                fix="pull this host's own copy; a copy cannot be passed on",
            )
    if derivation.origin == derivation.copy:
        raise IntegrityError("the derivation says that a copy is its own origin")
