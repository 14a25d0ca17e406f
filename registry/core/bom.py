"""What is in an image, as CycloneDX 1.6 ML-BOM (ECMA-424): model, files, base. Pure."""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.core import canonical, digest
from registry.core.canonical import Json
from registry.core.image import Base, Said
from registry.core.oms import File

MEDIA_TYPE = "application/vnd.cyclonedx+json"
# in-toto's predicate type for one.
PREDICATE_TYPE = "https://cyclonedx.org/bom"
# SPDX 2.3, annex D; what is no expression is a name that somebody gave.
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said of a model beside its files: measured `metrics`, names of `datasets`."""

    files: tuple[File, ...]
    licence: str = ""
    repository: str = ""
    commit: str = ""
    description: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()


def encode(image: str, said: Said, bases: Iterable[Base], facts: Facts) -> bytes:
    """The BOM of the image with this digest; the same arguments give the same bytes."""
    listed = list(bases)
    model = f"model {said.digest}"
    below = [_base(one) for one in listed]
    return canonical.encode(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, image)}",
            "version": 1,
            "metadata": {
                "timestamp": said.published_at,
                "tools": {"components": [{"type": "application", "name": "plimsoll"}]},
                "component": {
                    "type": "container",
                    "bom-ref": f"image {image}",
                    "name": said.model,
                    "version": str(said.version),
                    "hashes": _hashes(image),
                },
            },
            "components": [_model(model, said, facts), *below],
            "dependencies": [
                {
                    "ref": f"image {image}",
                    "dependsOn": [model, *(f"base {one.digest}" for one in listed)],
                }
            ],
        }
    )


def _model(reference: str, said: Said, facts: Facts) -> dict[str, Json]:
    found: dict[str, Json] = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": said.model,
        "version": str(said.version),
        "description": facts.description,
        "hashes": _hashes(said.digest),
        "licenses": _licences(facts.licence),
        "externalReferences": _sources(facts),
        "modelCard": _card(said, facts),
        "components": [_file(file) for file in facts.files],
    }
    return {name: value for name, value in found.items() if value}


def _card(said: Said, facts: Facts) -> dict[str, Json]:
    datasets: list[Json] = [{"type": "dataset", "name": name} for name in facts.datasets]
    metrics: list[Json] = [
        {"type": name, "value": f"{value}"} for name, value in sorted(facts.metrics.items())
    ]
    card: dict[str, Json] = {
        "modelParameters": {"datasets": datasets} if datasets else {},
        "quantitativeAnalysis": {"performanceMetrics": metrics} if metrics else {},
        "properties": [{"name": "plimsoll:format", "value": said.format}],
    }
    return {name: value for name, value in card.items() if value}


def _file(file: File) -> dict[str, Json]:
    return {
        "type": "file",
        "bom-ref": f"file {file.path}",
        "name": file.path,
        "hashes": _hashes(file.digest),
        "properties": [{"name": "plimsoll:size", "value": str(file.size)}],
    }


def _base(base: Base) -> dict[str, Json]:
    return {
        "type": "container",
        "bom-ref": f"base {base.digest}",
        "name": base.repository,
        "hashes": _hashes(base.digest),
    }


def _sources(facts: Facts) -> list[Json]:
    if not facts.repository:
        return []
    reference: dict[str, Json] = {"type": "vcs", "url": facts.repository}
    return [reference | ({"comment": f"commit {facts.commit}"} if facts.commit else {})]


def _licences(licence: str) -> list[Json]:
    if not licence:
        return []
    if _EXPRESSION.fullmatch(licence):
        return [{"expression": licence}]
    return [{"license": {"name": licence}}]


def _hashes(of: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": digest.parse(of).removeprefix("sha256:")}]
