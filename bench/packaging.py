"""What a runnable image costs: composed against hashing alone, and what goes over the wire.

The peer is the floor: sha256 over the same stored bytes, which anybody who names a layer by its
digest must pay. The bytes that a client sends and takes are counted, not computed.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

from sqlalchemy import delete

from bench import models, repeating
from bench.figures import Bar, Of, Row, Sign
from registry.core import canonical, image, oci
from registry.core import digest as digests
from registry.core import layer as tar
from registry.core.identity import Caller, Role
from registry.core.oms import File
from registry.db.tables_images import ImageLayer
from registry.making import packaging
from registry.settings import Settings
from registry.trust import keys, sign
from registry.usecases import oci_blobs, oci_manifests, opening, publish, transfers
from registry.usecases.checking import Draft
from registry.usecases.oci_manifests import Push
from registry.usecases.opening import Registry
from registry.usecases.pull import Asked

_AREA = "packaging"
_BY = Caller(Role.PUBLISHER, "bench")
_KEY = keys.generate_signing_key()
_MODEL, _BASE = "digits", "plimsoll/runtime"
_GIB = 1024**3
_PIECE = 1024 * 1024
_REPETITIONS = 7


def rows(folder: Path) -> Generator[Row, None, None]:
    """A version of 1 GiB, composed again and again as if for the first time."""
    opened = opening.open_registry(Settings(data_dir=folder / "packaging"))
    listed = {"publishers": [{"name": "bench", "publicKey": _KEY.public_pem}]}
    with contextlib.closing(opened) as registry:
        registry.settings.publishers_file.write_bytes(canonical.encode(listed))
        files = _version(registry, number=1, weights=_GIB)
        base = _base(registry)
        yield _composed(registry, files, base)
        yield _uploaded(registry, base)


def _composed(registry: Registry, files: list[File], base: str) -> Row:
    def compose() -> None:
        with registry.database.writing() as session:
            session.execute(delete(ImageLayer))
            session.commit()
        made = packaging.package(registry, Asked(_MODEL, 1), base, _BY)
        if made.hashed < _GIB:
            raise RuntimeError("the layer was not hashed")

    compose()  # signs and stores, once
    found = repeating.compared(
        lambda: repeating.seconds(compose),
        lambda: repeating.seconds(lambda: _hash(registry, files)),
        repetitions=_REPETITIONS,
    )
    return Row(
        _AREA,
        "image of a 1 GiB model composed",
        found.seconds,
        "s",
        f"sha256 of the same files: {found.reference_seconds:.2f} s",
        ratio=1 / found.speed_ratio,
        bar=Bar(Of.RATIO, Sign.UNDER, 1.2),
    )


def _uploaded(registry: Registry, base: str) -> Row:
    """Another model on the same base: what of its image was not here, but for documents."""
    known = set(registry.blobs.digests())
    _version(registry, number=2, weights=16 * _PIECE)
    model = set(registry.blobs.digests()) - known
    made = packaging.package(registry, Asked(_MODEL, 2), base, _BY)
    new = set(registry.blobs.digests()) - known - model
    documents = sum(registry.blobs.size(one) or 0 for one in new)
    [composed] = made.images
    layers = [one.digest for one in oci.parse(composed.manifest, oci.IMAGE).blobs[1:-2]]
    sent = sum(registry.blobs.size(one) or 0 for one in layers if one in new)
    return Row(
        _AREA,
        "bytes of image layers uploaded when only the model changes",
        float(sent),
        "bytes",
        f"{documents} bytes of documents were written by the registry itself",
        bar=Bar(Of.VALUE, Sign.AT_MOST, 0),
    )


def _base(registry: Registry) -> str:
    """A runtime's image in small: that it is not run here, and its layers are never read."""
    layer = os.urandom(_PIECE)
    config = canonical.encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["python3", "-m", "runtime"]},
            "rootfs": {"type": "layers", "diff_ids": [digests.of(layer)]},
        }
    )
    for content in (layer, config):
        transfers.put(registry, content)
        oci_blobs.link(registry, _BASE, digests.of(content))
    manifest = canonical.encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.IMAGE,
            "config": _described(image.CONFIG_TYPE, config),
            "layers": [_described(tar.MEDIA_TYPE, layer)],
        }
    )
    pushed = oci_manifests.push(registry, Push(_BASE, "1", manifest, oci.IMAGE), _BY)
    return f"{_BASE}@{pushed.digest}"


def _described(kind: str, content: bytes) -> dict[str, str | int]:
    return {"mediaType": kind, "digest": digests.of(content), "size": len(content)}


def _version(registry: Registry, *, number: int, weights: int) -> list[File]:
    """One publisher, one ONNX model with its weights in a file of their own."""
    model = models.with_weights(weights, seed=number)
    transfers.put(registry, model)
    files = [File("model.onnx", digests.of(model), len(model)), _random(registry, weights)]
    bundle = sign.sign_model(_MODEL, files, _KEY)
    publish.publish(registry, Draft(_MODEL, number, "onnx", tuple(files), bundle), _BY)
    return files


def _random(registry: Registry, size: int) -> File:
    """Bytes that no disk and no file system makes fewer, uploaded piece by piece."""
    piece, hasher = os.urandom(_PIECE), hashlib.sha256()

    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, size, _PIECE):
            block = piece[:-8] + place.to_bytes(8, "little")
            hasher.update(block)
            yield block

    stored = asyncio.run(transfers.take(registry, pieces(), size=size))
    return File("weights.bin", stored.digest, stored.size)


def _hash(registry: Registry, files: list[File]) -> None:
    """As hashlib does it for a file: nobody hashes by less."""
    for file in files:
        with os.fdopen(registry.blobs.open(file.digest) or -1, "rb", buffering=0) as stream:
            hashlib.file_digest(stream, "sha256")
