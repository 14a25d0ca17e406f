"""In-toto statements about an image: that it is ours, how it was made, what is in it. Pure.

What the registry signs of an image it composed; each becomes a referrer of it.
"""

from collections.abc import Sequence

from registry.core import bom, canonical
from registry.core.canonical import Json
from registry.core.evidence import PROVENANCE_TYPE
from registry.core.image import Base, Image, Said
from registry.core.oms import STATEMENT_TYPE

# By which cosign knows a signature of an image.
SIGNATURE_TYPE = "https://sigstore.dev/cosign/sign/v1"
BUILD_TYPE = "https://plimsoll.dev/image/v1"


def signature(subjects: Sequence[str]) -> bytes:
    """That these images are the signer's."""
    return _statement(subjects, SIGNATURE_TYPE, {})


def provenance(
    subjects: Sequence[str], said: Said, bases: Sequence[Base], *, builder: str
) -> bytes:
    """SLSA provenance v1: composed by `builder` of the version and of the bases, and nothing else.

    https://slsa.dev/spec/v1.0/provenance
    """
    version = f"{said.model}@{said.version}"
    used: list[Json] = [_used(f"oci://{version}", said.digest)]
    used += [_used(f"oci://{one.repository}", one.digest) for one in bases]
    parameters: dict[str, Json] = {
        "model": said.model,
        "version": said.version,
        "variant": said.variant,
        "format": said.format,
    }
    predicate: dict[str, Json] = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": parameters,
            "resolvedDependencies": used,
        },
        "runDetails": {"builder": {"id": builder}},
    }
    return _statement(subjects, PROVENANCE_TYPE, predicate)


def contents(subjects: Sequence[str], document: bytes) -> bytes:
    """That this is the images' bill of materials."""
    return _statement(
        subjects, bom.PREDICATE_TYPE, canonical.decode_object(document, what="bill of materials")
    )


def subjects(index: str, images: Sequence[Image]) -> list[str]:
    """The digests that statements about a composed image are about: its index, and each image."""
    return [index, *(one.digest for one in images)]


def _used(uri: str, digest: str) -> dict[str, Json]:
    return {"uri": uri, "digest": {"sha256": digest.removeprefix("sha256:")}}


def _statement(subjects: Sequence[str], kind: str, predicate: dict[str, Json]) -> bytes:
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"digest": {"sha256": one.removeprefix("sha256:")}} for one in subjects],
            "predicateType": kind,
            "predicate": predicate,
        }
    )
