"""A publisher with a key and small, honest models, over HTTP or straight into the use cases."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import onnx
from onnx import TensorProto, helper

from registry.core import facts
from registry.core.canonical import Json
from registry.core.facts import Facts
from registry.core.oms import File
from registry.store.blobs import Stored
from registry.trust import keys, sign
from registry.trust.keys import SigningKey
from registry.usecases.access import Caller, Role
from registry.usecases.checking import Draft
from registry.usecases.opening import Registry

ALICE = Caller(Role.PUBLISHER, "alice-ci")


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def onnx_model(value: float = 1.0) -> bytes:
    """y = x + value, over any number of rows of four."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 4])
    added = helper.make_tensor("b", TensorProto.FLOAT, [4], [value] * 4)
    graph = helper.make_graph([helper.make_node("Add", ["x", "b"], ["y"])], "g", [x], [y], [added])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@dataclass
class Publisher:
    """Signs models; `list_in` makes a registry trust it."""

    name: str = "alice"
    key: SigningKey = field(default_factory=keys.generate_signing_key)

    def list_in(self, file: Path) -> None:
        entry = {"name": self.name, "publicKey": self.key.public_pem}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"publishers": [entry]}))

    def bundle(self, files: dict[str, bytes], model: str = "digits") -> dict[str, Json]:
        return sign.sign_model(model, listed(files), self.key)

    def draft(
        self,
        files: dict[str, bytes],
        *,
        version: int | None = None,
        model: str = "digits",
        said: Facts = facts.NONE,
        variant: str = "",
    ) -> Draft:
        bundle = self.bundle(files, model)
        return Draft(model, version, "onnx", listed(files), bundle, said, variant)

    def body(self, files: dict[str, bytes], *, version: int | None = None) -> dict[str, Json]:
        return {
            "version": version,
            "format": "onnx",
            "files": [
                {"path": file.path, "digest": file.digest, "size": file.size}
                for file in listed(files)
            ],
            "publisherBundle": self.bundle(files),
        }


def listed(files: dict[str, bytes]) -> tuple[File, ...]:
    return tuple(File(path, digest_of(data), len(data)) for path, data in files.items())


def store(registry: Registry, files: dict[str, bytes]) -> None:
    """As if uploaded."""
    registry.claims.make(*(Stored(digest_of(data), len(data)) for data in files.values()))
    for data in files.values():
        registry.blobs.put(data, digest_of(data))


def upload(client: httpx2.Client, data: bytes) -> str:
    location = client.post("/v1/uploads").headers["location"]
    digest = digest_of(data)
    answer = client.put(f"{location}?digest={digest}", content=data)
    assert answer.status_code == 201, answer.text
    return digest


def publish(
    client: httpx2.Client,
    publisher: Publisher,
    files: dict[str, bytes],
    *,
    version: int | None = None,
) -> httpx2.Response:
    for data in files.values():
        upload(client, data)
    return client.post("/v1/models/digits/versions", json=publisher.body(files, version=version))
