"""The servers' own protobufs, from their makers' packages: tritonclient 2.73.0 (model_config.proto)
and tensorflow-serving-api 2.21.0 (model_server_config.proto), as `FileDescriptorSet`s.

The packages themselves want another protobuf, or all of TensorFlow, beside them. The schema of
Compose files is the Compose Specification's, as docker-compose 1.29.2 carries it.
"""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

GOLDEN = Path(__file__).parent / "golden"


def read(name: str, message: str, text: str) -> Any:
    """The text as the server itself would read it: an unknown field or value is an error."""
    found = descriptor_pb2.FileDescriptorSet()
    found.ParseFromString((GOLDEN / f"{name}.descriptors").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(message))
    return text_format.Parse(text, kind(), descriptor_pool=pool)


def triton(text: str) -> Any:
    return read("triton", "inference.ModelConfig", text)


def tensorflow_serving(text: str) -> Any:
    return read("tensorflow_serving", "tensorflow.serving.ModelServerConfig", text)
