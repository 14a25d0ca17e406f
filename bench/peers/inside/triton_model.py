"""What Triton's Python backend runs: an ONNX file on onnxruntime, a batch in one call.

It is copied into Triton's model repository and imported there, in Triton's environment.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Triton looks for a class of this name."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Open the file beside this one."""
        folder = Path(arguments["model_repository"]) / arguments["model_version"]
        file = str(folder / "model.onnx")
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._outputs = [one.name for one in self._session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer a request, in order; all of them in one run."""
        rows = [
            [triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]
            for request in requests
        ]
        sizes = [row[0].shape[0] for row in rows]
        columns = [
            one[0] if len(one) == 1 else np.concatenate(one) for one in zip(*rows, strict=True)
        ]
        found = self._session.run(self._outputs, dict(zip(self._inputs, columns, strict=True)))
        answers, start = [], 0
        for size in sizes:
            tensors = [
                triton.Tensor(name, value[start : start + size])
                for name, value in zip(self._outputs, found, strict=True)
            ]
            answers.append(triton.InferenceResponse(tensors))
            start += size
        return answers
