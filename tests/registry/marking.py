"""Models that are large enough for a mark, and a registry that marks what is published."""

from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from registry.core.oms import File
from registry.db import versions, watermarks
from registry.db.tables import Version
from registry.settings import Watermark
from registry.usecases import publish
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, store

ROOT = Caller(Role.ADMIN, "root")
WEIGHTS = 64 * 256 + 256 * 8


def network(seed: int = 1) -> bytes:
    """Two layers with 18,432 weights: enough to be found again."""
    random = np.random.default_rng(seed)
    first = numpy_helper.from_array(random.standard_normal((64, 256)).astype("f4"), "first")
    second = numpy_helper.from_array(random.standard_normal((256, 8)).astype("f4"), "second")
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "second"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 8])
    graph = helper.make_graph(nodes, "g", [x], [y], [first, second])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def files(seed: int = 1) -> dict[str, bytes]:
    return {"model.onnx": network(seed), "labels.txt": b"0 1 2 3"}


def marking(registry: Registry) -> Registry:
    """The same one, with `watermark_publish = "on"`."""
    return replace(registry, settings=replace(registry.settings, watermark=Watermark(publish="on")))


def publish_marked(
    registry: Registry, alice: Publisher, contents: dict[str, bytes] | None = None
) -> Version:
    """The next version of `digits`, marked."""
    contents = files() if contents is None else contents
    store(registry, contents)
    return publish.publish(marking(registry), alice.draft(contents), ALICE).version


def originals(registry: Registry, number: int = 1) -> tuple[File, ...]:
    with registry.database.reading() as session:
        row = versions.version(session, "digits", number)
        variant = versions.variants(session, row.id)[0]
        return watermarks.sources(session, variant.id)
