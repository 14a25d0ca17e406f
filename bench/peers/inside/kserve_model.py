"""`kserve_model.py FILE NAME …`: KServe's server with an ONNX file on onnxruntime.

Runs in KServe's environment; what follows the name is for KServe's own command line.
"""

import argparse

import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.model_server import parser


class OnnxModel(Model):  # type: ignore[misc]  # its class is not seen from here
    """One session; both protocols come here."""

    def __init__(self, file: str, name: str) -> None:
        super().__init__(name)
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._outputs = [one.name for one in self._session.get_outputs()]
        self.ready = True

    def predict(
        self,
        payload: InferRequest,
        _headers: dict[str, str] | None = None,
        _response_headers: dict[str, str] | None = None,
    ) -> InferResponse:
        """One run a request."""
        inputs = {one.name: one.as_numpy() for one in payload.inputs}
        outputs = []
        for name, value in zip(
            self._outputs, self._session.run(self._outputs, inputs), strict=True
        ):
            output = InferOutput(name, list(value.shape), "FP32")
            output.set_data_from_numpy(value, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        # Its own model of an answer wants an id, which a request need not have.
        return InferResponse(payload.id or "none", self.name, outputs)


if __name__ == "__main__":
    command = argparse.ArgumentParser(parents=[parser])
    command.add_argument("file")
    command.add_argument("name")
    asked, _ = command.parse_known_args()
    ModelServer().start([OnnxModel(asked.file, asked.name)])
