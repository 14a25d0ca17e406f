"""Speaks HTTP to instances: are they ready, what do they predict. Raises `errors.Unavailable`."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx2

from reconciler.core.observed import Health, Instance
from reconciler.engines.protocol import Endpoint
from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_HEAD = "Inference-Header-Content-Length"
_STATES = {"AVAILABLE": Health.HEALTHY, "REFUSED": Health.REFUSED}


@dataclass(frozen=True, slots=True)
class Seen:
    """What an instance says of itself; `detail` is its reason for not being healthy."""

    health: Health
    detail: str


class Probe:
    """One endpoint, over kept-alive connections. `timeout_s` bounds each request."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        # Reading the CA bundle takes 20 ms, more than most looks; plain HTTP has no use for it.
        self._http = httpx2.Client(
            base_url=endpoint.url,
            headers=dict(endpoint.headers),
            timeout=timeout_s,
            trust_env=False,
            verify=not endpoint.url.startswith("http://"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def seen(self, instance: Instance) -> Seen:
        """The state of the version that `instance` is to serve; still starting if unknown."""
        answer = self._call("GET", "/plimsoll/status")
        for model in fields.objects(answer, "models", what="runtime status"):
            if (model.get("model"), model.get("digest")) == (instance.model, instance.digest):
                health = _STATES.get(str(model.get("state")), Health.STARTING)
                return Seen(health, str(model.get("reason") or ""))
        return Seen(Health.STARTING, "")

    def predict(self, model: str, version: int, instances: Sequence[Json]) -> list[Json]:
        """`:predict` in row form: one prediction for each of `instances`."""
        path = f"/v1/models/{model}/versions/{version}:predict"
        answer = self._call("POST", path, canonical.encode({"instances": list(instances)}))
        predictions = fields.sequence(answer, "predictions", what="predict answer")
        if len(predictions) != len(instances):
            raise errors.Unavailable(
                f"{path} answered {len(predictions)} predictions to {len(instances)} instances"
            )
        return predictions

    def answered(self, model: str, version: int, body: bytes) -> None:
        """`:predict` with a body that was made before, for who takes the time of it alone."""
        path = f"/v1/models/{model}/versions/{version}:predict"
        self._send("POST", path, body)

    def metadata(self, model: str, version: int) -> dict[str, Json]:
        """The signatures of a version, as TensorFlow Serving describes them."""
        return self._call("GET", f"/v1/models/{model}/versions/{version}/metadata")

    def tensors(self, model: str, version: int) -> dict[str, Json]:
        """The inputs and outputs of a version, as the Open Inference Protocol describes them."""
        return self._call("GET", f"/v2/models/{model}/versions/{version}")

    def infer(
        self, model: str, version: int, head: bytes, tensors: bytes
    ) -> tuple[dict[str, Json], memoryview]:
        """One inference in binary tensors: their JSON, and the bytes that come behind it."""
        path = f"/v2/models/{model}/versions/{version}/infer"
        answer = self._answer("POST", path, head + tensors, {_HEAD: str(len(head))})
        size = answer.headers.get(_HEAD, "")
        if not size.isdecimal() or int(size) > len(answer.content):
            raise errors.Unavailable(f"{path} answered without binary tensors")
        document = canonical.decode_object(answer.content[: int(size)], what=f"answer to {path}")
        return document, memoryview(answer.content)[int(size) :]

    def _call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Json]:
        return canonical.decode_object(self._send(method, path, body), what=f"answer to {path}")

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        return self._answer(method, path, body, {}).content

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise errors.Unavailable(f"instance does not answer: {error}") from error
        if not answer.is_success:
            said = answer.text[:300].strip()
            raise errors.Unavailable(f"{path} answered status {answer.status_code}: {said}")
        return answer
