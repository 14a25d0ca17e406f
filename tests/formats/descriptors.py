"""TensorFlow's own descriptors of the SavedModel message, read without loading TensorFlow.

Run it after an update of TensorFlow to renew what the registry carries:
    python tests/formats/descriptors.py registry/formats/saved_model.descriptors
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import sys, types
package = types.ModuleType("tensorflow")
package.__path__ = [sys.argv[1]]
sys.modules["tensorflow"] = package
from google.protobuf import descriptor_pb2
from tensorflow.core.protobuf import saved_model_pb2
files = descriptor_pb2.FileDescriptorSet()
seen = set()
def add(file):
    if file.name not in seen:
        seen.add(file.name)
        for dependency in sorted(file.dependencies, key=lambda found: found.name):
            add(dependency)
        file.CopyToProto(files.file.add())
add(saved_model_pb2.DESCRIPTOR)
sys.stdout.buffer.write(files.SerializeToString(deterministic=True))
"""


def of_installed_tensorflow() -> bytes:
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    command = [sys.executable, "-c", _SCRIPT, next(iter(spec.submodule_search_locations))]
    return subprocess.run(command, check=True, capture_output=True).stdout


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(of_installed_tensorflow())
