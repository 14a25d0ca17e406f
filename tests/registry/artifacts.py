"""Pushes small artifacts to an OCI repository, call by call, as the specification has them."""

import json
from typing import Any

import httpx2

from registry.core import oci
from tests.registry.publishing import digest_of

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
Document = dict[str, Any]


def descriptor(content: bytes, media_type: str = LAYER_TYPE) -> Document:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def image(*layers: bytes, subject: bytes | None = None, kind: str = "", **more: Any) -> bytes:
    """An image manifest over these layers; `kind` is its artifactType."""
    document: Document = {
        "schemaVersion": 2,
        "mediaType": oci.IMAGE,
        "config": descriptor(EMPTY, EMPTY_TYPE),
        "layers": [descriptor(layer) for layer in layers],
    }
    if kind:
        document["artifactType"] = kind
    if subject is not None:
        document["subject"] = descriptor(subject, oci.IMAGE)
    return json.dumps(document | more).encode()


def index(*manifests: bytes, **more: Any) -> bytes:
    listed = [descriptor(manifest, oci.IMAGE) for manifest in manifests]
    document = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": listed}
    return json.dumps(document | more).encode()


def push_blob(client: httpx2.Client, repository: str, content: bytes) -> str:
    digest = digest_of(content)
    answer = client.post(
        f"/v2/{repository}/blobs/uploads/", params={"digest": digest}, content=content
    )
    assert answer.status_code == 201, answer.text
    return digest


def put(
    client: httpx2.Client,
    repository: str,
    content: bytes,
    reference: str = "",
    media_type: str = oci.IMAGE,
) -> httpx2.Response:
    """PUT a manifest under a reference: its digest, unless one is given."""
    return client.put(
        f"/v2/{repository}/manifests/{reference or digest_of(content)}",
        content=content,
        headers={"Content-Type": media_type},
    )


def push(
    client: httpx2.Client,
    repository: str,
    *layers: bytes,
    reference: str = "",
    **more: Any,
) -> bytes:
    """An image with its blobs; gives the manifest."""
    for content in (EMPTY, *layers):
        push_blob(client, repository, content)
    manifest = image(*layers, **more)
    answer = put(client, repository, manifest, reference)
    assert answer.status_code == 201, answer.text
    return manifest


def refused(answer: httpx2.Response) -> tuple[int, str]:
    """The status, and the code that the specification gives it."""
    [error] = answer.json()["errors"]
    assert error["message"]
    return answer.status_code, error["code"]


def referrers(client: httpx2.Client, repository: str, digest: str, **query: str) -> list[Document]:
    answer = client.get(f"/v2/{repository}/referrers/{digest}", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, oci.INDEX)
    found: list[Document] = answer.json()["manifests"]
    return found
