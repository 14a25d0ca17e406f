"""A runtime's image in small, as somebody pushes it: a layer, a config, a manifest."""

import hashlib
import json

import httpx2

from registry.core import image, oci
from registry.usecases import oci_blobs, oci_manifests, transfers
from registry.usecases.oci_manifests import Push
from registry.usecases.opening import Registry
from tests.registry import artifacts
from tests.registry.publishing import ALICE, digest_of

ENTRYPOINT = ["python3", "-m", "runtime"]


def config(*layers: bytes, **run: object) -> bytes:
    found = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {"Entrypoint": ENTRYPOINT, "Env": ["A=b"], "User": "10001:10001"} | run,
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(one).hexdigest() for one in layers],
        },
    }
    return json.dumps(found).encode()


def manifest(said: bytes, *layers: bytes) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": oci.IMAGE,
            "config": artifacts.descriptor(said, image.CONFIG_TYPE),
            "layers": [artifacts.descriptor(one) for one in layers],
        }
    ).encode()


def push(
    client: httpx2.Client, *layers: bytes, repository: str = "plimsoll/runtime", tag: str = "1"
) -> str:
    """Push it; gives the reference by digest."""
    said = config(*layers)
    for content in (said, *layers):
        artifacts.push_blob(client, repository, content)
    made = manifest(said, *layers)
    assert artifacts.put(client, repository, made, tag).status_code == 201
    return f"{repository}@{digest_of(made)}"


def keep(registry: Registry, *layers: bytes, repository: str = "plimsoll/runtime") -> str:
    """The same without a server: straight into the use cases."""
    said = config(*layers)
    for content in (said, *layers):
        transfers.put(registry, content)
        oci_blobs.link(registry, repository, digest_of(content))
    made = manifest(said, *layers)
    oci_manifests.push(registry, Push(repository, "1", made, oci.IMAGE), ALICE)
    return f"{repository}@{digest_of(made)}"
