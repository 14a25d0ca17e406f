"""Verification as a publisher, auditor or host does it: trust nothing that the registry says."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from registry import errors
from registry.core import digest as digests
from registry.core import fields

if TYPE_CHECKING:
    from registry.cli.client import Client
    from registry.core.envelope import Refused, Verified
    from registry.core.oms import File
    from registry.core.trustroot import TrustRoot


def version(
    client: "Client",
    trust: "TrustRoot",
    *,
    model: str,
    version: int,
    pinned: str | None,
    variant: str | None = None,
) -> "Verified":
    """Check the envelope; raises IntegrityError. Without a pin the registry's digest is taken,
    which its own signature over name, number and digest then has to confirm."""
    from registry.core import envelope  # noqa: PLC0415  heavy

    digest = digests.parse(pinned or stated_digest(client, model, version, variant))
    wanted = envelope.Wanted(model, version, digest)
    received = client.envelope(model, version, digest=digest)
    return _held(envelope.verify(received, trust, wanted, now=time.time()), model, version)


def kept(
    received: bytes, trust: "TrustRoot", *, model: str, version: int, pinned: str | None
) -> "Verified":
    """The same of an envelope that somebody kept in a file: as it was when it was fetched."""
    from registry.core import canonical, envelope  # noqa: PLC0415  heavy

    what = "pull envelope"
    said = fields.text(canonical.decode_object(received, what=what), "digest", what=what)
    wanted = envelope.Wanted(model, version, digests.parse(pinned or said))
    return _held(envelope.verify(received, trust, wanted), model, version)


def _held(outcome: "Verified | Refused", model: str, version: int) -> "Verified":
    from registry.core.envelope import Refused, Verified  # noqa: PLC0415  heavy

    match outcome:
        case Verified() as verified:
            return verified
        case Refused(errors.Quarantined.code, reason):
            raise errors.Quarantined(
                f"{model}@{version} is {reason}",
                fix="use another version; see `plimsoll evidence list` for who said so",
            )
        case Refused(code, reason):
            raise errors.IntegrityError(
                f"{model}@{version} is refused ({code}): {reason}",
                fix="do not use it; compare trust.json with the registry's, and ask its publisher",
            )


def stated_digest(client: "Client", model: str, version: int, variant: str | None) -> str:
    """The digest that the registry states of a variant, or of the first; unverified."""
    document, what = client.version(model, version), "version document"
    if variant is None:
        return fields.text(document, "digest", what=what)
    known = {
        fields.text(item, "name", what=what): fields.text(item, "digest", what=what)
        for item in fields.objects(document, "variants", what=what)
    }
    if variant not in known:
        raise errors.NotFound(
            f"there is no variant {variant[:80]!r}", fix=f"it has {', '.join(known)}"
        )
    return known[variant]


def blobs(client: "Client", verified: "Verified") -> int:
    """Read every file from the registry and check its digest; returns the bytes read."""
    from registry.cli import downloading  # noqa: PLC0415  heavy

    downloading.each(client, verified.files, _read)
    return sum(file.size for file in verified.files)


def _read(_: "File", blocks: Iterator[memoryview]) -> None:
    for _block in blocks:
        pass
