"""What the registry signs of an image that it composed, as referrers of the image's index."""

from dataclasses import dataclass

from registry.core import attestation, bom, canonical, manifest, oci, oci_documents
from registry.core import digest as digests
from registry.core.bom import Facts
from registry.core.image import Base, Image, Said
from registry.core.oms import File
from registry.db import tables, versions
from registry.trust import sign
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Made:
    """An image as it was composed: of which bases, for which platforms, under which index."""

    said: Said
    bases: tuple[Base, ...]
    images: tuple[Image, ...]
    index: bytes
    variant: tables.Variant


@dataclass(frozen=True, slots=True)
class Attested:
    """Manifests whose subject is the image's index, and the documents that these carry."""

    manifests: list[bytes]
    blobs: list[bytes]


def referrers(registry: Registry, made: Made) -> Attested:
    """A signature as cosign's, SLSA provenance, and the ML-BOM: signed, and also as it is."""
    index = digests.of(made.index)
    about = attestation.subjects(index, made.images)
    builder = registry.settings.url or f"https://{registry.settings.origin}"
    document = bom.encode(index, made.said, made.bases, _facts(registry, made))
    statements = (
        attestation.signature(about),
        attestation.provenance(about, made.said, made.bases, builder=builder),
        attestation.contents(about, document),
    )
    bundles = [
        canonical.encode(sign.sign_statement(one, registry.signing_key)) for one in statements
    ]
    carriers = [
        oci_documents.evidence(one, subject=made.index, media_type=oci.INDEX) for one in bundles
    ]
    plain = oci_documents.carrier(
        document, bom.MEDIA_TYPE, subject=made.index, media_type=oci.INDEX, said={}
    )
    return Attested([*carriers, plain], [*bundles, document, oci_documents.EMPTY])


def _facts(registry: Registry, made: Made) -> Facts:
    with registry.database.reading() as session:
        found = versions.whole(session, made.said.model, made.said.version)
        return Facts(
            tuple(File(one.path, one.digest, one.size) for one in made.variant.files),
            licence=manifest.licence(made.variant.config),
            repository=found.repository,
            commit=found.commit,
            description=found.description,
            metrics={one.key: one.value for one in found.metrics},
            datasets=tuple(one.name for one in found.datasets),
        )
