"""What MLServer runs: an ONNX file on onnxruntime. Copied beside its settings, imported there."""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):  # type: ignore[misc]  # its class is not seen from here
    """One session; tensors are decoded and encoded by MLServer's own codec."""

    async def load(self) -> bool:
        """Open the file that the settings name."""
        file = self.settings.parameters.uri
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._outputs = [one.name for one in self._session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One run a request."""
        inputs = {one.name: NumpyCodec.decode_input(one) for one in payload.inputs}
        found = self._session.run(self._outputs, inputs)
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output(name, value)
                for name, value in zip(self._outputs, found, strict=True)
            ],
        )
