"""Documents that the registry itself writes for OCI clients: evidence, lists, refusals. Pure.

What signs a version is kept as a Sigstore bundle; here it becomes an artifact whose subject is
the version's manifest. The same arguments always give the same bytes: they have a digest.
"""

import base64
from collections.abc import Iterable

from registry import errors
from registry.core import canonical, digest, fields, oci
from registry.core.canonical import Json
from registry.core.oci import Descriptor

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY_DIGEST = digest.of(EMPTY)
PUBLISHER, REGISTRY = "publisher", "registry"
# Of marked files: what they were made from, and the registry's model signature over them.
DERIVATION, MARKED = "derivation", "marked"

_EXACT: tuple[tuple[type[errors.PlimsollError], str], ...] = (
    (errors.Unauthenticated, "UNAUTHORIZED"),
    (errors.Forbidden, "DENIED"),
    (errors.PolicyDenied, "DENIED"),
    (errors.TooLarge, "SIZE_INVALID"),
    (errors.MissingContent, "MANIFEST_BLOB_UNKNOWN"),
    (errors.InvalidDigest, "DIGEST_INVALID"),
    (errors.DigestMismatch, "DIGEST_INVALID"),
    (errors.InvalidName, "NAME_INVALID"),
    (errors.Unsupported, "UNSUPPORTED"),
    (errors.Busy, "TOOMANYREQUESTS"),
    (errors.Unavailable, "UNAVAILABLE"),
    (errors.StorageFull, "UNAVAILABLE"),
)
# By what the address is about: where nothing is found, where input is of another form.
_UNKNOWN = (("/blobs/uploads", "BLOB_UPLOAD_UNKNOWN"), ("/blobs/", "BLOB_UNKNOWN"),
            ("/manifests/", "MANIFEST_UNKNOWN"))  # fmt: skip
_INVALID = (("/blobs/uploads", "BLOB_UPLOAD_INVALID"), ("/manifests/", "MANIFEST_INVALID"))


def annotations(bundle: bytes) -> dict[str, str]:
    """What an evidence manifest says of the bundle it carries, as cosign does."""
    what = "bundle"
    envelope = fields.mapping(canonical.decode_object(bundle, what=what), "dsseEnvelope", what=what)
    payload = fields.base64_bytes(envelope, "payload", what=what)
    statement = canonical.decode_object(payload, what=what)
    return _said(fields.text(statement, "predicateType", what=what))


def _said(predicate: str) -> dict[str, str]:
    return {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate,
    }


def evidence(
    bundle: bytes, *, subject: bytes, media_type: str = oci.IMAGE, predicate: str | None = None
) -> bytes:
    """The manifest that makes `bundle` a referrer of `subject`, which is of `media_type`.

    Where the bundle was just made or verified, its `predicate` type need not be read out of it.
    """
    said = annotations(bundle) if predicate is None else _said(predicate)
    return carrier(bundle, BUNDLE_TYPE, subject=subject, media_type=media_type, said=said)


def carrier(
    content: bytes, kind: str, *, subject: bytes, media_type: str, said: dict[str, str]
) -> bytes:
    """The manifest that makes a document of type `kind` a referrer of `subject`."""
    made: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": oci.IMAGE,
        "artifactType": kind,
        "config": {
            "mediaType": EMPTY_TYPE,
            "digest": EMPTY_DIGEST,
            "size": len(EMPTY),
            "data": base64.b64encode(EMPTY).decode(),
        },
        "layers": [{"mediaType": kind, "digest": digest.of(content), "size": len(content)}],
        "subject": {
            "mediaType": media_type,
            "digest": digest.of(subject),
            "size": len(subject),
        },
    }
    return canonical.encode(made | ({"annotations": {**said}} if said else {}))


def listed(found: Descriptor, artifact_type: str, said: dict[str, str]) -> dict[str, Json]:
    """A descriptor as the list of referrers has it."""
    item: dict[str, Json] = {
        "mediaType": found.media_type,
        "digest": found.digest,
        "size": found.size,
    }
    if artifact_type:
        item["artifactType"] = artifact_type
    return item | ({"annotations": dict(said)} if said else {})


def index(items: Iterable[dict[str, Json]]) -> bytes:
    """An image index of these descriptors."""
    document = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [*items]}
    return canonical.encode(document)


def refusal(
    error: errors.PlimsollError, *, path: str, status: int, request_id: str
) -> tuple[int, dict[str, Json]]:
    """The status and the document by which OCI clients learn of an error."""
    message = f"{error.detail}; {error.fix}" if error.fix else error.detail
    detail: dict[str, Json] = {"code": error.code, "requestId": request_id}
    code = "UNSUPPORTED" if status == 405 else _code(error, path)
    said: dict[str, Json] = {"code": code, "message": message, "detail": detail}
    answered = {410: 404, 422: 400}.get(status, status)
    return answered, {"errors": [said]}


def _code(error: errors.PlimsollError, path: str) -> str:
    for kind, code in _EXACT:
        if isinstance(error, kind):
            return code
    match error:
        case errors.NotFound() | errors.Gone():
            return _by_place(_UNKNOWN, path, "NAME_UNKNOWN")
        case errors.InvalidInput() | errors.OutOfOrder() | errors.Conflict():
            return _by_place(_INVALID, path, "UNSUPPORTED")
    return "UNKNOWN"


def _by_place(places: tuple[tuple[str, str], ...], path: str, otherwise: str) -> str:
    return next((code for part, code in places if part in path), otherwise)
