"""Model servers that our runtime is measured against, each in an environment of its own.

All of them run the same ONNX file on the same onnxruntime as ours, one worker each, with what
they are told to do by default; what is inside them is in `inside/`.
"""

import subprocess
from dataclasses import dataclass
from importlib import metadata

ENGINE = f"onnxruntime=={metadata.version('onnxruntime')}"
STARTING_S = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """One server that serves one model and is ready; `seconds` is what that took."""

    model: str
    http: int
    grpc: int
    process: subprocess.Popen[bytes]
    seconds: float

    @property
    def path(self) -> str:
        """Where it answers by the Open Inference Protocol."""
        return f"/v2/models/{self.model}/infer"
