"""A host's own copy of a version: the statement by which its files stand for the version's.

The registry says that it made them of the very original that the publisher signed, by marking
weights and nothing else: the same paths, the same sizes, the same key as the owner's mark.
"""

from collections.abc import Sequence

from registry.core import dsse
from registry.core.canonical import Json
from registry.core.oms import File
from registry.core.watermark import records
from registry.core.watermark.records import Derivation
from registry.core.watermark.scheme import OWNER
from registry.errors import IntegrityError


def verify(
    bundle: dict[str, Json],
    registry: Sequence[dsse.Signer],
    *,
    of: Derivation,
    files: Sequence[File],
) -> Derivation:
    """What the registry said of the copy in `bundle`, by one of its keys.

    `of` led from the original to the version's own `files`. Raises `IntegrityError`s.
    """
    said = records.verify(bundle, *registry)
    if (said.model, said.version) != (of.model, of.version):
        raise IntegrityError(
            f"the copy is of {said.model}@{said.version}, wanted is {of.model}@{of.version}"
        )
    if said.recipient in {"", OWNER}:
        raise IntegrityError("the copy was made for no host")
    if said.commitment != of.commitment:
        raise IntegrityError("the copy was made with another key than the log was told of")
    if _named(said.source) != _named(of.source):
        raise IntegrityError("the copy was made of other files than the version was")
    if _sized(said.files) != _sized(files):
        raise IntegrityError("the copy has other files than the version, by path and size")
    return said


def _named(files: Sequence[File]) -> list[tuple[str, str]]:
    return sorted((file.path, file.digest) for file in files)


def _sized(files: Sequence[File]) -> list[tuple[str, int]]:
    return sorted((file.path, file.size) for file in files)
