"""The registry's own statement on a version: this name and number mean this digest.

It closes what an OMS signature leaves open, and says what the scan found. Predicate type
`https://plimsoll.dev/version/v2`; the subject is the manifest's digest. v1, which said nothing
of a scan, is read as before and not written any more.
"""

from dataclasses import dataclass, field

from registry.core import canonical, digest, dsse, fields
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE
from registry.errors import InvalidInput, SignatureInvalid

PREDICATE_V1 = "https://plimsoll.dev/version/v1"
PREDICATE_TYPE = "https://plimsoll.dev/version/v2"


@dataclass(frozen=True, slots=True)
class Version:
    """What the registry vouches for; `publisher` is whose model signature it had checked.

    `scan` is what its inspection said before it published: result, scanner, isolation, facts.
    """

    model: str
    version: int
    digest: str
    format: str
    publisher: str
    scan: dict[str, Json] = field(default_factory=dict)


def encode(version: Version) -> bytes:
    """The payload the registry signs, in canonical JSON."""
    return _encoded(version, PREDICATE_TYPE, {"scan": version.scan})


def _encoded(version: Version, predicate_type: str, more: dict[str, Json]) -> bytes:
    subject: dict[str, Json] = {
        "name": f"{version.model}@{version.version}",
        "digest": {"sha256": version.digest.removeprefix("sha256:")},
    }
    predicate: dict[str, Json] = {
        "model": version.model,
        "version": version.version,
        "digest": version.digest,
        "format": version.format,
        "publisher": version.publisher,
    }
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": predicate | more,
        }
    )


def verify(bundle: dict[str, Json], *registry: dsse.Signer) -> Version:
    """What the registry said in `bundle`, by one of its keys.

    Raises `SignatureInvalid` or `InvalidInput`.
    """
    what = "registry statement"
    payload = dsse.verify(bundle, registry).payload
    document = canonical.decode_object(payload, what=what)
    kind = document.get("predicateType")
    if document.get("_type") != STATEMENT_TYPE or kind not in {PREDICATE_V1, PREDICATE_TYPE}:
        raise InvalidInput(f"{what} is of another type")
    predicate = fields.mapping(document, "predicate", what=what)
    is_old = kind == PREDICATE_V1
    said = Version(
        fields.text(predicate, "model", what=what),
        fields.integer(predicate, "version", what=what),
        digest.parse(predicate.get("digest")),
        fields.text(predicate, "format", what=what),
        fields.text(predicate, "publisher", what=what),
        {} if is_old else fields.mapping(predicate, "scan", what=what),
    )
    if (_encoded(said, PREDICATE_V1, {}) if is_old else encode(said)) != payload:
        raise SignatureInvalid(f"{what} says more than, or other than, its type may say")
    return said
