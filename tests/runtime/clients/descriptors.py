"""Run by the environment of `make clients`: the messages of Triton's and TensorFlow's own clients.

TensorFlow's messages are in its package, which is not entered at its top: that would load it all.
Prints one JSON document; the argument is the folder of that package.
"""

import importlib
import json
import sys
import types
from typing import Any

tensorflow = types.ModuleType("tensorflow")
tensorflow.__path__ = [sys.argv[1]]
sys.modules["tensorflow"] = tensorflow

MODULES = (
    "tritonclient.grpc.service_pb2",
    "tritonclient.grpc.model_config_pb2",
    "tensorflow.core.example.example_pb2",
    "tensorflow.core.example.feature_pb2",
    "tensorflow.core.framework.tensor_pb2",
    "tensorflow.core.framework.tensor_shape_pb2",
    "tensorflow.core.protobuf.meta_graph_pb2",
    *(
        f"tensorflow_serving.apis.{name}_pb2"
        for name in (
            "classification", "get_model_metadata", "get_model_status", "inference", "input",
            "model", "predict", "prediction_log", "regression", "status",
        )
    ),
)  # fmt: skip


def fields(kinds: Any, prefix: str) -> dict[str, list[list[object]]]:
    """By a message's full name: name, number, type and whether it is repeated, of each field."""
    found: dict[str, list[list[object]]] = {}
    for name, kind in kinds.items():
        full = f"{prefix}.{name}"
        found[full] = [[f.name, f.number, f.type, f.is_repeated] for f in kind.fields]
        found |= fields(kind.nested_types_by_name, full)
    return found


found = {}
for module in MODULES:
    described = importlib.import_module(module).DESCRIPTOR
    found |= fields(described.message_types_by_name, described.package)
json.dump(found, sys.stdout)
