"""The registry's own statement on a version: this name and number mean this digest.

It closes what an OMS signature leaves open. Predicate type `https://plimsoll.dev/version/v1`;
the subject is the manifest's digest.
"""

from dataclasses import dataclass

from registry.core import canonical, digest, dsse, fields
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE
from registry.errors import InvalidInput, SignatureInvalid

PREDICATE_TYPE = "https://plimsoll.dev/version/v1"


@dataclass(frozen=True, slots=True)
class Version:
    """What the registry vouches for; `publisher` is whose model signature it had checked."""

    model: str
    version: int
    digest: str
    format: str
    publisher: str


def encode(version: Version) -> bytes:
    """The payload the registry signs, in canonical JSON."""
    subject = {
        "name": f"{version.model}@{version.version}",
        "digest": {"sha256": version.digest.removeprefix("sha256:")},
    }
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "model": version.model,
                "version": version.version,
                "digest": version.digest,
                "format": version.format,
                "publisher": version.publisher,
            },
        }
    )


def verify(bundle: dict[str, Json], registry: dsse.Signer) -> Version:
    """What `registry` said in `bundle`; raises `SignatureInvalid` or `InvalidInput`."""
    what = "registry statement"
    payload = dsse.verify(bundle, [registry]).payload
    document = canonical.decode_object(payload, what=what)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"{what} is of another type")
    predicate = fields.mapping(document, "predicate", what=what)
    said = Version(
        fields.text(predicate, "model", what=what),
        fields.integer(predicate, "version", what=what),
        digest.parse(predicate.get("digest")),
        fields.text(predicate, "format", what=what),
        fields.text(predicate, "publisher", what=what),
    )
    if encode(said) != payload:
        raise SignatureInvalid(f"{what} says more than, or other than, version/v1 may say")
    return said
