"""The model that a recipe begins with: its ONNX head, inspected before anything loads it."""

import os
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from registry import errors
from registry.formats import detect, inspection
from registry.formats.inspection import Inspector, Limits


def inspected(places: Mapping[str, Path]) -> Path:
    """The ONNX file in `places` (path in the model to file); raises UnsafeModel, Unsupported."""
    kind, head = detect.head(places, None)
    if kind != detect.ONNX:
        raise errors.Unsupported(
            f"{places[head]}: the model is a {kind}, and recipes work on ONNX",
            fix="export it to ONNX first, and name that file",
        )
    with ExitStack() as stack, closing(Inspector()) as inspector:
        opened = {}
        for path, local in places.items():
            opened[path] = inspection.open_plain(path, local)
            stack.callback(os.close, opened[path])
        sizes = {path: os.fstat(one).st_size for path, one in opened.items()}
        inspector.inspect(sizes, lambda path, _: os.dup(opened[path]), kind, Limits())
    return places[head]
