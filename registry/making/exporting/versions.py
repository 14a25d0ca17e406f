"""Which versions of which libraries made a model: said in its report, since they decide it."""

import sys
from importlib import metadata

_OF = {
    "keras": "keras", "numpy": "numpy", "onnx": "onnx", "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript", "skl2onnx": "skl2onnx", "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu", "tf2onnx": "tf2onnx", "torch": "torch",
}  # fmt: skip


def loaded() -> dict[str, str]:
    """Of the libraries that this process has loaded."""
    found = {}
    for module, package in _OF.items():
        if module not in sys.modules:
            continue
        for name in (package, module):
            try:
                found[module] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    return found
