"""TensorFlow's SavedModel message, without TensorFlow.

`saved_model.descriptors` is the FileDescriptorSet of TensorFlow's own .proto files, 22 KiB,
in a pool of its own so that a real TensorFlow in the same process is not disturbed.
tests/formats compares it with the installed TensorFlow and says how to renew it.
"""

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = "saved_model.descriptors"


def _message_class() -> Any:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(
        resources.files(__package__).joinpath(DESCRIPTORS).read_bytes()
    )
    for file in files.file:
        pool.Add(file)
    descriptor = pool.FindMessageTypeByName("tensorflow.SavedModel")
    return message_factory.GetMessageClass(descriptor)


# Read at import, because afterwards the process is shut in and can open no file.
SavedModel = _message_class()
