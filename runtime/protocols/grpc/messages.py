"""The messages' classes, from the descriptors that are compiled beside this file.

They live in a pool of their own: TensorFlow registers messages of the same names in protobuf's
common one, in this very process, and must neither meet these nor be needed for them.
`tests/runtime/test_grpc.py` says how messages.pb is made, and that it is up to date.
"""

import functools
from importlib import resources
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
    wrappers_pb2,
)

from registry.errors import InvalidInput, NotFound


def of(name: str) -> Any:
    """The class of a message by its full name."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


def read(kind: Any, data: bytes) -> Any:
    """A message of a client; raises `InvalidInput`."""
    try:
        return kind.FromString(data)
    except message.DecodeError as error:
        raise InvalidInput(f"the request is not a {kind.DESCRIPTOR.full_name}") from error


def file(name: str) -> Any:
    """What describes the file of this name; raises `NotFound`."""
    try:
        return _pool().FindFileByName(name)
    except KeyError as error:
        raise NotFound(f"there is no file '{name[:200]}' here") from error


def file_with(symbol: str) -> Any:
    """Likewise the file that has a message, a service or one of its methods, by full name."""
    for name in (symbol, symbol.rpartition(".")[0]):
        try:
            return _pool().FindFileContainingSymbol(name)
        except KeyError:
            continue
    raise NotFound(f"there is no symbol '{symbol[:200]}' here")


def gather(file: Any, found: dict[str, bytes]) -> None:
    """Add to `found` what the file imports, and then itself: serialised, by name."""
    for imported in file.dependencies:
        if imported.name not in found:
            gather(imported, found)
    found[file.name] = file.serialized_pb


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    data = (resources.files(__package__) / "messages.pb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool
