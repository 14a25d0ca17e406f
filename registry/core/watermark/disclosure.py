"""What an auditor is given: the key of one recipient's copy, signed by the registry.

It finds the marks of that one recipient and of the owner, in that one version, and no others.
Whoever has it can also remove or copy them: it is a secret. Predicate type
`https://plimsoll.dev/watermark-key/v1`; the subjects are the publisher's original files.
"""

import base64
from dataclasses import dataclass

from registry.core import canonical, digest, dsse, fields, names
from registry.core.canonical import Json
from registry.core.oms import STATEMENT_TYPE, File
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import SCHEME, Tensor
from registry.errors import InvalidInput, SignatureInvalid

PREDICATE_TYPE = "https://plimsoll.dev/watermark-key/v1"
MAX_TENSORS = 50_000
_WHAT = "auditor's key"
_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})


@dataclass(frozen=True, slots=True)
class Disclosure:
    """`tensors` are those that carry the mark; `log_index` is where the log has the commitment."""

    model: str
    version: int
    variant: str
    digest: str
    recipient: str
    alpha: float
    epoch: int
    commitment: str
    log_index: int
    key: CopyKey
    source: tuple[File, ...]
    tensors: tuple[Tensor, ...]


def encode(disclosed: Disclosure) -> bytes:
    """The payload the registry signs, in canonical JSON."""
    predicate: dict[str, Json] = {
        "scheme": SCHEME,
        "model": disclosed.model,
        "version": disclosed.version,
        "variant": disclosed.variant,
        "digest": disclosed.digest,
        "recipient": disclosed.recipient,
        "alpha": disclosed.alpha,
        "epoch": disclosed.epoch,
        "commitment": disclosed.commitment,
        "logIndex": disclosed.log_index,
        "bias": base64.b64encode(disclosed.key.bias).decode(),
        "chips": base64.b64encode(disclosed.key.chips).decode(),
        "source": [
            {"path": file.path, "digest": file.digest, "size": file.size}
            for file in disclosed.source
        ],
        "tensors": [[one.name, one.dtype, list(one.shape)] for one in disclosed.tensors],
    }
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": file.path, "digest": {"sha256": file.digest.removeprefix("sha256:")}}
                for file in disclosed.source
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def verify(bundle: dict[str, Json], *registry: dsse.Signer) -> Disclosure:
    """The key in `bundle`, if one of `registry` signed it; or SignatureInvalid, InvalidInput."""
    return _read(dsse.verify(bundle, registry).payload)


def _read(payload: bytes) -> Disclosure:
    document = canonical.decode_object(payload, what=_WHAT)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"what should be an {_WHAT} is a statement of another type")
    said = fields.mapping(document, "predicate", what=_WHAT)
    scheme, alpha = fields.text(said, "scheme", what=_WHAT), said.get("alpha")
    if scheme != SCHEME or not isinstance(alpha, float) or not 0 < alpha < 1:
        raise InvalidInput(f"{_WHAT}: scheme {scheme[:40]!r} is not known here")
    found = Disclosure(
        names.slug(fields.text(said, "model", what=_WHAT)),
        fields.integer(said, "version", what=_WHAT),
        fields.text(said, "variant", what=_WHAT),
        digest.parse(said.get("digest")),
        fields.text(said, "recipient", what=_WHAT),
        alpha,
        fields.integer(said, "epoch", what=_WHAT),
        digest.parse(said.get("commitment")),
        fields.integer(said, "logIndex", what=_WHAT),
        CopyKey(*(fields.base64_bytes(said, name, what=_WHAT) for name in ("bias", "chips"))),
        tuple(_file(item) for item in fields.objects(said, "source", what=_WHAT)),
        tuple(_tensor(row) for row in fields.sequence(said, "tensors", what=_WHAT)[:MAX_TENSORS]),
    )
    if encode(found) != payload:
        raise SignatureInvalid(f"the {_WHAT} says more than, or other than, its type may say")
    return found


def _file(item: dict[str, Json]) -> File:
    return File(
        names.file_path(fields.text(item, "path", what=_WHAT)),
        digest.parse(item.get("digest")),
        fields.integer(item, "size", what=_WHAT),
    )


def _tensor(row: Json) -> Tensor:
    match row:
        case [str(name), str(dtype), list(shape)] if dtype in _DTYPES:
            sizes = tuple(size for size in shape if isinstance(size, int) and size > 0)
            if len(sizes) == len(shape):
                return Tensor(name, dtype, sizes)
    raise InvalidInput(f"{_WHAT}: a tensor is not described as it must be")
