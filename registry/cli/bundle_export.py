"""Writes a bundle: every document is fetched and judged first, then blobs stream into the file."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from registry import errors
from registry.cli import progress, verifying
from registry.cli.client import Client
from registry.core import bom, bundle, canonical, digest, dsse, fields, layer, oci
from registry.core.bundle import Layout, Parts
from registry.core.envelope import Verified
from registry.core.oci_documents import BUNDLE_TYPE
from registry.core.trustroot import TrustRoot
from registry.store import durable

_READ = 1024 * 1024


def export(
    client: Client, trust: TrustRoot, asked: tuple[str, int, str | None], out: Path
) -> Parts:
    """Write `out` whole or not at all; raises what verifying the version raises."""
    model, version, variant = asked
    tag = f"{version}-{variant}" if variant else f"{version}"
    verified = verifying.version(client, trust, model=model, version=version, pinned=None,
                                 variant=variant)  # fmt: skip
    if verified.recipient:
        raise errors.Forbidden(
            f"this copy of {model}@{version} is host {verified.recipient}'s alone",
            fix="export it with a token that is no host's",
        )
    envelope = client.envelope(model, version, digest=verified.wanted.digest)
    parts = _parts(client, trust, verified, envelope, tag)
    layout = bundle.layout(parts)
    _write(client, model, parts, layout, out)
    return parts


def _parts(
    client: Client, trust: TrustRoot, verified: Verified, envelope: bytes, tag: str
) -> Parts:
    model, own = verified.wanted.model, verified.wanted.digest
    found, kind = _manifest(client, model, tag)
    if kind != oci.INDEX:
        return Parts(envelope, verified, tag, manifests={own: _named(client, model, own)})
    image = digest.of(found)
    manifests = {one: _named(client, model, one) for one in bundle.children(found)}
    keys = trust.registry_from(verified.log_index)
    about = _referrers(client, model, image, keys=keys)
    return Parts(envelope, verified, tag, found, manifests | about, tuple(sorted(about)))


def _referrers(
    client: Client, model: str, image: str, *, keys: Sequence[dsse.Signer]
) -> dict[str, bytes]:
    """What the registry said of the image; what others pushed about it stays behind."""
    listed = canonical.decode_object(
        client.call("GET", f"/v2/{model}/referrers/{image}").content, what="referrers"
    )
    kept: dict[str, bytes] = {}
    for item in fields.objects(listed, "manifests", what="referrers"):
        name, kind = digest.parse(item.get("digest")), item.get("artifactType")
        content = _named(client, model, name)
        carried = oci.parse(content, oci.IMAGE).blobs[-1]
        if kind == bom.MEDIA_TYPE:
            kept[name] = content
        elif kind == BUNDLE_TYPE:
            said = _blob(client, model, carried.digest)
            with suppress(errors.SignatureInvalid, errors.InvalidInput, errors.IntegrityError):
                bundle.attested(image, said, keys)
                kept[name] = content
    return kept


def _manifest(client: Client, model: str, reference: str) -> tuple[bytes, str]:
    headers = {"Accept": f"{oci.INDEX}, {oci.IMAGE}"}
    answer = client.call("GET", f"/v2/{model}/manifests/{reference}", headers=headers)
    return answer.content, str(answer.headers["Content-Type"]).partition(";")[0]


def _named(client: Client, model: str, wanted: str) -> bytes:
    return _right(_manifest(client, model, wanted)[0], wanted)


def _blob(client: Client, model: str, wanted: str) -> bytes:
    return _right(client.call("GET", f"/v2/{model}/blobs/{wanted}").content, wanted)


def _right(content: bytes, wanted: str) -> bytes:
    if digest.of(content) != wanted:
        raise errors.DigestMismatch(f"what came for {wanted} is something else")
    return content


def _write(client: Client, model: str, parts: Parts, layout: Layout, out: Path) -> None:
    """Beside it first: a file that is there is whole."""
    here = {bundle.blob_name(one): content for one, content in parts.manifests.items()}
    if parts.image:
        here[bundle.blob_name(digest.of(parts.image))] = parts.image
    sizes = {bundle.blob_name(one): (one, size) for one, size in layout.blobs.items()}
    total = sum(layout.blobs.values())
    handle, partial = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as file, progress.of_bytes("writing", total) as advance:
            for name in layout.names():
                content = layout.documents.get(name) or here.get(name)
                if content is None:
                    one, size = sizes[name]
                    file.write(layer.entry(name, size))
                    _stream(client, f"/v2/{model}/blobs/{one}", one, size, file)
                    file.write(bytes(-size % 512))
                    advance(size)
                else:
                    file.write(layer.entry(name, len(content)))
                    file.write(content + bytes(-len(content) % 512))
            file.write(layer.END)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)
        Path(partial).replace(out)
        durable.sync_folder(out.parent)
    finally:
        Path(partial).unlink(missing_ok=True)


def _stream(client: Client, path: str, wanted: str, size: int, file: BinaryIO) -> None:
    hasher, left = hashlib.sha256(), size
    with client.receiving("GET", path) as answer:
        while left and (block := answer.read(min(left, _READ))):
            hasher.update(block)
            file.write(block)
            left -= len(block)
    if left or f"sha256:{hasher.hexdigest()}" != wanted:
        raise errors.DigestMismatch(f"what came for {wanted} is something else")
