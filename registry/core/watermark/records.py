"""Derivations: the registry's signed word that these files are those, marked for a recipient.

An in-toto statement, predicate type `https://plimsoll.dev/watermark/v1`; its subjects are the
marked files. The commitment binds the mark's key before anybody can look for one that fits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from registry.core import canonical, digest, dsse, fields, names
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE, File
from registry.errors import IntegrityError, InvalidInput

PREDICATE_TYPE = "https://plimsoll.dev/watermark/v1"
_WHAT = "derivation"


@dataclass(frozen=True, slots=True)
class Derivation:
    """`files` were made from `source`, which has `weights` numbers that carry the mark.

    `alpha` is the share of itself by which each was moved, `predicted_z` what the chips of the
    unchanged copy add up to, blind, in standard deviations. `detail` is what else is known of how
    it was made.
    """

    model: str
    version: int
    recipient: str
    scheme: str
    alpha: float
    weights: int
    predicted_z: float
    commitment: str
    source: tuple[File, ...]
    files: tuple[File, ...]
    detail: dict[str, Json] = field(default_factory=dict)


def content_digest(files: Iterable[File]) -> str:
    """What `files` are, whatever they are called as a model: of their paths and digests."""
    listed: list[Json] = [
        [path, value] for path, value in sorted((f.path, f.digest) for f in files)
    ]
    return digest.of(canonical.encode(listed))


def encode(said: Derivation) -> bytes:
    """The payload the registry signs, in canonical JSON; files in the order of their paths."""
    source, files = (sorted(one, key=lambda file: file.path) for one in (said.source, said.files))
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": file.path, "digest": {"sha256": file.digest.removeprefix("sha256:")}}
                for file in files
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "model": said.model,
                "version": said.version,
                "recipient": said.recipient,
                "scheme": said.scheme,
                "alpha": said.alpha,
                "weights": said.weights,
                "predictedZ": said.predicted_z,
                "commitment": said.commitment,
                "source": [_document(file) for file in source],
                "files": [_document(file) for file in files],
                "detail": said.detail,
            },
        }
    )


def verify(bundle: dict[str, Json], *registry: dsse.Signer) -> Derivation:
    """What the registry said in `bundle`, by one of its keys.

    Raises `IntegrityError` or `InvalidInput`.
    """
    payload = dsse.verify(bundle, registry).payload
    document = canonical.decode_object(payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"what should be a {_WHAT} is a statement of another type")
    said = _said(fields.mapping(document, "predicate", what=_WHAT))
    if encode(said) != payload:
        raise IntegrityError(f"{_WHAT} says more than, or other than, watermark/v1 may say")
    return said


def _said(predicate: dict[str, Json]) -> Derivation:
    return Derivation(
        model=fields.text(predicate, "model", what=_WHAT),
        version=fields.integer(predicate, "version", what=_WHAT),
        recipient=fields.text(predicate, "recipient", what=_WHAT),
        scheme=fields.text(predicate, "scheme", what=_WHAT),
        alpha=_number(predicate, "alpha"),
        weights=fields.integer(predicate, "weights", what=_WHAT),
        predicted_z=_number(predicate, "predictedZ"),
        commitment=digest.parse(predicate.get("commitment")),
        source=_files(predicate, "source"),
        files=_files(predicate, "files"),
        detail=fields.mapping(predicate, "detail", what=_WHAT),
    )


def _files(predicate: dict[str, Json], name: str) -> tuple[File, ...]:
    listed = tuple(
        File(
            fields.text(item, "path", what=_WHAT),
            digest.parse(item.get("digest")),
            fields.integer(item, "size", what=_WHAT),
        )
        for item in fields.objects(predicate, name, what=_WHAT)
    )
    names.file_paths([file.path for file in listed])
    return listed


def _number(predicate: dict[str, Json], name: str) -> float:
    found = predicate.get(name)
    if not isinstance(found, float):
        raise InvalidInput(f"{_WHAT}: {name!r} must be a number with a fraction")
    return found


def _document(file: File) -> dict[str, Json]:
    return {"path": file.path, "digest": file.digest, "size": file.size}
