"""Verification as a publisher, auditor or host does it: trust nothing that the registry says."""

import hashlib
from typing import TYPE_CHECKING

from registry import errors
from registry.core import digest as digests
from registry.core import envelope, fields
from registry.core.envelope import Refused, Verified, Wanted
from registry.core.oms import File
from registry.core.trustroot import TrustRoot

if TYPE_CHECKING:
    from registry.cli.client import Client


def version(
    client: "Client", trust: TrustRoot, *, model: str, version: int, pinned: str | None
) -> Verified:
    """Check the envelope; raises IntegrityError. Without a pin the registry's digest is taken,
    which its own signature over name, number and digest then has to confirm."""
    said = client.version(model, version)
    digest = digests.parse(pinned or fields.text(said, "digest", what="version document"))
    wanted = Wanted(model, version, digest)
    match envelope.verify(client.envelope(model, version), trust, wanted):
        case Verified() as verified:
            return verified
        case Refused(code, reason):
            raise errors.IntegrityError(
                f"{model}@{version} is refused ({code}): {reason}",
                fix="do not use it; compare trust.json with the registry's, and ask its publisher",
            )


def blobs(client: "Client", verified: Verified) -> int:
    """Read every file from the registry and check its digest; returns the bytes read."""
    total = 0
    for file in verified.files:
        hasher, size = hashlib.sha256(), 0
        with client.blob(file.digest) as blocks:
            for block in blocks:
                hasher.update(block)
                size += len(block)
        require_bytes(file, f"sha256:{hasher.hexdigest()}", size)
        total += size
    return total


def require_bytes(file: File, digest: str, size: int) -> None:
    """Raises DigestMismatch unless these are the bytes that were signed."""
    if digest != file.digest or size != file.size:
        raise errors.DigestMismatch(
            f"file {file.path!r}: {size} bytes with digest {digest} came, "
            f"signed are {file.size} bytes with digest {file.digest}",
            fix="the stored bytes were changed: push the version's files again to restore them",
        )
