"""OpenSSF Model Signing v1.0: the statement that says which files a model consists of.

Only the `files` serialisation with SHA-256 is written or accepted. OMS §6.5.1 forbids relying
on the subject's name, so a signature moved to another model still verifies: name and version
are bound by `registry.core.statement`, never here.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from registry.core import canonical, dsse, fields, names
from registry.core.canonical import Json
from registry.core.certificates import Certified
from registry.errors import InvalidInput, SignatureInvalid

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_SERIALIZATION = {"method", "hash_type", "allow_symlinks", "ignore_paths"}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model: relative path, digest, size in bytes."""

    path: str
    digest: str
    size: int


def root(files: Iterable[tuple[str, str]]) -> str:
    """OMS v1.0 §6.3: hex SHA-256 over the raw digests of (path, digest), in the order listed.

    Writers disagree on what "sorted by name" means for folders, so readers keep the list's order.
    """
    digests = [bytes.fromhex(digest.removeprefix("sha256:")) for _, digest in files]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def statement(name: str, files: Iterable[File]) -> bytes:
    """The payload a publisher signs, in canonical JSON."""
    listed = sorted((file.path, file.digest) for file in files)
    return canonical.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": root(listed)}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [],
                },
                "resources": [
                    {"name": path, "algorithm": "sha256", "digest": digest.removeprefix("sha256:")}
                    for path, digest in listed
                ],
            },
        }
    )


def verify(
    bundle: dict[str, Json],
    files: Iterable[File],
    trusted: Iterable[dsse.Signer],
    certified: Certified | None = None,
) -> str:
    """The name of the signer, if `bundle` signs exactly `files`; raises `IntegrityError`s."""
    signed = dsse.verify(bundle, trusted, certified)
    require_files(signed.payload, files)
    return signed.signer


def require_files(payload: bytes, files: Iterable[File]) -> None:
    """Raise `IntegrityError`s unless the signed `payload` is about exactly `files`."""
    said = _resources(payload)
    found = {file.path: file.digest for file in files}
    if said == found:
        return
    for path in sorted(said.keys() | found.keys()):
        if path not in found:
            raise SignatureInvalid(f"signed file {path!r} is missing")
        if path not in said:
            raise SignatureInvalid(f"file {path!r} is not covered by the signature")
        if said[path] != found[path]:
            raise SignatureInvalid(f"file {path!r} is not the one that was signed")
    raise SignatureInvalid("the signed files are not these")


def _resources(payload: bytes) -> dict[str, str]:
    what = "model signature"
    document = canonical.decode_object(payload, what=what)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise InvalidInput(f"{what} is not an OpenSSF Model Signing v1.0 statement")
    predicate = fields.mapping(document, "predicate", what=what)
    serialization = fields.mapping(predicate, "serialization", what=what)
    _require_known(predicate, {"serialization", "resources"}, what=what)
    _require_known(serialization, _SERIALIZATION, what=what)
    if (serialization.get("method"), serialization.get("hash_type")) != ("files", "sha256"):
        raise InvalidInput(f"{what} must list whole files by sha256")
    resources: dict[str, str] = {}
    for item in fields.objects(predicate, "resources", what=what):
        if item.get("algorithm") != "sha256":
            raise InvalidInput(f"{what} must list whole files by sha256")
        _require_known(item, {"name", "algorithm", "digest"}, what=what)
        path = names.file_path(fields.text(item, "name", what=what))
        if path in resources:
            raise InvalidInput(f"{what} lists {path!r} twice")
        resources[path] = "sha256:" + fields.text(item, "digest", what=what)
    _require_root(document, resources, what=what)
    return resources


def _require_known(found: dict[str, Json], known: set[str], *, what: str) -> None:
    """The specification's schema allows no others, and a field we do not know may be a condition.

    `model_signing` itself lets them pass.
    """
    if unknown := found.keys() - known:
        raise InvalidInput(f"{what} has the unknown field {min(unknown)[:80]!r}")


def _require_root(document: dict[str, Json], resources: dict[str, str], *, what: str) -> None:
    subjects = fields.objects(document, "subject", what=what)
    if len(subjects) != 1:
        raise InvalidInput(f"{what} must have one subject, found {len(subjects)}")
    said = fields.mapping(subjects[0], "digest", what=what).get("sha256")
    if said != root(resources.items()):
        raise SignatureInvalid(f"{what} contradicts itself: its root is not that of its files")
