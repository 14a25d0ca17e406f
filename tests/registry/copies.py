"""A registry that gives hosts copies of their own, and what a host makes of its bundle."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from registry.core import envelope
from registry.core.envelope import Verified, Wanted
from registry.core.oms import File
from registry.settings import Encryption, Settings, Watermark
from registry.usecases import opening, publish, pull
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.marking import files
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

CLEAR, ENCRYPTED = Encryption("off"), Encryption("file")
SMALL = {"model.onnx": onnx_model()}
EDGE_1, EDGE_2 = Caller(Role.HOST, "edge-1"), Caller(Role.HOST, "edge-2")


def published(data: Path, encryption: Encryption) -> Settings:
    """Those of a registry in `data` that has digits@1, marked, and digits@2, too small for that."""
    shutil.copytree(Path(_published(encryption).name) / "data", data)
    return _settings(data, encryption)


@cache
def _published(encryption: Encryption) -> "tempfile.TemporaryDirectory[str]":
    """Once for all tests: to publish takes a child process for each look at a model."""
    folder = tempfile.TemporaryDirectory(prefix="published-")
    registry = opening.open_registry(_settings(Path(folder.name) / "data", encryption))
    alice = Publisher()
    alice.list_in(registry.settings.publishers_file)
    for contents in (files(), SMALL):
        store(registry, contents)
        publish.publish(registry, alice.draft(contents), ALICE)
    registry.close()
    return folder


def _settings(data: Path, encryption: Encryption) -> Settings:
    return Settings(
        data,
        listen=("127.0.0.1:0",),
        watermark=Watermark("on", "hosts"),
        encryption=encryption,
    )


def pulled(registry: Registry, by: Caller, number: int = 1) -> Verified:
    """What a host believes of the bundle that it gets."""
    with registry.database.reading() as session:
        digest = pull.chosen(session, pull.Asked("digits", number)).digest
    sent = pull.bundle(registry, pull.Asked("digits", number), by)
    found = envelope.verify(sent, registry.trust_root(), Wanted("digits", number, digest))
    assert isinstance(found, Verified), found
    return found


def model_of(found: Verified) -> File:
    return next(file for file in found.files if file.path == "model.onnx")
