"""Signatures: OpenSSF Model Signing over files, the registry's statement, the log's checkpoint.

The documents that get signed are made by `registry.core`, which also checks all of this; here
is only what needs a secret. Bundles are plain JSON values, ready to be sent or stored.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace

from registry.core import dsse, note, oms, statement, trustchain
from registry.core.canonical import Json
from registry.core.oms import File
from registry.core.trustchain import Link
from registry.errors import InvalidInput
from registry.trust.keys import LogKey, SigningKey


def sign_model(
    name: str, files: Iterable[File], key: SigningKey, chain: Sequence[bytes] = ()
) -> dict[str, Json]:
    """An OMS v1.0 bundle over exactly these files, which `model_signing verify` accepts.

    With `chain`, DER certificates beginning with the key's own, it names them and not the key.
    """
    listed = list(files)
    if not listed:
        raise InvalidInput("a model without files cannot be signed", fix="name a folder with files")
    return _bundle(oms.statement(name, listed), key, _certificates(chain) if chain else None)


def sign_version(version: statement.Version, key: SigningKey) -> dict[str, Json]:
    """The registry's word that this name and number mean this digest."""
    return _bundle(statement.encode(version), key)


def sign_statement(payload: bytes, key: SigningKey) -> dict[str, Json]:
    """A bundle of any in-toto statement, such as an approval; core wrote `payload`."""
    return _bundle(payload, key)


def sign_trust(link: Link, key: SigningKey) -> Link:
    """`link` with one signature more, in place of an older one by the same key."""
    others = [(hint, signature) for hint, signature in link.signatures if hint != key.hint]
    signature = key.sign(dsse.pae(link.payload, trustchain.PAYLOAD_TYPE))
    return replace(link, signatures=(*others, (key.hint, signature)))


def sign_checkpoint(origin: str, size: int, root: bytes, key: LogKey) -> str:
    """A C2SP signed note; never sign one that contradicts an earlier one."""
    body = note.checkpoint_body(origin, size, base64.b64encode(root).decode("ascii"))
    name = note.LogKey(origin, key.public_raw)
    signature = base64.b64encode(name.key_id + key.sign(body.encode())).decode("ascii")
    return f"{body}\n{note.signature_line(name, signature)}"


def _certificates(chain: Sequence[bytes]) -> dict[str, Json]:
    listed: list[Json] = [{"rawBytes": base64.b64encode(der).decode("ascii")} for der in chain]
    return {"x509CertificateChain": {"certificates": listed}}


def _bundle(
    payload: bytes, key: SigningKey, material: dict[str, Json] | None = None
) -> dict[str, Json]:
    by: dict[str, Json] = material or {"publicKey": {"hint": key.hint}}
    return dsse.bundle_by(payload, key.sign(dsse.pae(payload)), by)
