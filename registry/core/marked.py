"""A version whose files carry its owner's mark: what its publisher signed are the files before.

The registry's signed derivation leads from these to those; the publication's entry in the log
names it by its digest. So neither can be put in or left out, and no other can take its place.
"""

from collections.abc import Collection

from registry.core import digest, dsse
from registry.core.canonical import Json
from registry.core.entries import Entry
from registry.core.oms import File
from registry.core.watermark import records
from registry.core.watermark.records import Derivation
from registry.core.watermark.scheme import OWNER
from registry.errors import IntegrityError

# In the publication's entry: the digest of the derivation's statement.
DETAIL = "derivation"


def derivation(
    bundle: dict[str, Json] | None,
    entry: Entry,
    files: Collection[File],
    *registry: dsse.Signer,
) -> Derivation | None:
    """What leads to `files`, which `entry` publishes; None where they are as they were signed.

    Raises `IntegrityError` or `InvalidInput` unless the log has the same to say.
    """
    logged = entry.detail.get(DETAIL)
    if bundle is None:
        if logged is not None:
            raise IntegrityError(
                "the log says that these files were marked, and what they were made from is missing"
            )
        return None
    said = records.verify(bundle, *registry)
    named = digest.of(dsse.unverified_payload(bundle))
    if named != logged:
        raise IntegrityError(f"the derivation is {named}, the log has {logged or 'none'}")
    if (said.model, said.version, said.recipient) != (entry.model, entry.version, OWNER):
        raise IntegrityError(
            f"the derivation is of {said.model}@{said.version} for {said.recipient!r}, "
            f"wanted is {entry.model}@{entry.version} for its owner"
        )
    if set(said.files) != set(files):
        raise IntegrityError("the derivation leads to other files than the manifest lists")
    return said


def signed_files(said: Derivation | None, files: tuple[File, ...]) -> tuple[File, ...]:
    """What publishers sign: the files before the mark, or these where there is none."""
    return files if said is None else said.source
