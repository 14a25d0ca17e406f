"""Publishes models by the code of `plimsoll push`: hashed, uploaded, signed, published."""

from collections.abc import Sequence
from pathlib import Path

from bench import registries
from registry.cli import uploading
from registry.cli.client import Client
from registry.core import fields
from registry.core.canonical import Json
from registry.core.oms import File
from registry.trust import sign


def publish(
    registry: registries.Running, folder: Path, *, model: str, version: int, form: str
) -> str:
    """Publish all files below `folder`; returns the version's digest."""
    client = registry.client()
    files = upload(client, folder)
    document = body(registry, files, model=model, version=version, form=form)
    return fields.text(client.publish(model, document), "digest", what="version document")


def upload(client: Client, folder: Path) -> Sequence[File]:
    """Bring every file below `folder` into the blob store."""
    places = uploading.collect(folder)
    files = uploading.hash_files(places, _ignore)
    uploading.upload(client, files, places, _ignore)
    return files


def send(client: Client, file: File, source: Path) -> None:
    """Bring one file, whose digest is known, into the blob store."""
    uploading.upload(client, [file], {file.path: source}, _ignore)


def body(
    registry: registries.Running,
    files: Sequence[File],
    *,
    model: str,
    version: int | None,
    form: str,
) -> dict[str, Json]:
    """What to post in order to publish `files`, signed; without a version, as the next one."""
    return {
        "version": version,
        "format": form,
        "files": [{"path": file.path, "digest": file.digest, "size": file.size} for file in files],
        "publisherBundle": sign.sign_model(model, files, registry.key),
    }


def _ignore(_count: int) -> None:
    """Nobody watches the progress."""
