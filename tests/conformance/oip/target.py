"""The server under test: requests to it, and tensors of zeros for its models."""

import http.client
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

SIZES = {
    "BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FP16": 2, "BF16": 2,
    "INT32": 4, "UINT32": 4, "FP32": 4, "INT64": 8, "UINT64": 8, "FP64": 8,
}  # fmt: skip
_HEAD = "Inference-Header-Content-Length"
_SECONDS = 30


class Deviation(Exception):
    """The server does not do what the protocol says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Deviation(f"answered {self.status} with no JSON: {self.body[:80]!r}") from None

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object of a success."""
        require(self.status == 200, f"answered {self.status}: {self.body[:200]!r}")
        found = self.json()
        require(isinstance(found, dict), "the answer is no JSON object")
        return dict(found)

    @property
    def split(self) -> tuple[dict[str, Any], bytes]:
        """The JSON object of a success, and the bytes of tensors behind it."""
        require(self.status == 200, f"answered {self.status}: {self.body[:200]!r}")
        length = self.headers.get(_HEAD.lower(), "")
        require(length.isdigit(), f"a binary answer has no {_HEAD}")
        head = Answer(200, {}, self.body[: int(length)])
        return head.document, self.body[int(length) :]


@dataclass(frozen=True)
class Target:
    """One model of the server at `url`."""

    url: str
    model: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        address = urlsplit(self.url)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        link = kind(address.hostname or "", address.port, timeout=_SECONDS)
        try:
            link.request(method, address.path.rstrip("/") + path, body, dict(headers or {}))
            answer = link.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            link.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    @property
    def path(self) -> str:
        return f"/v2/models/{quote(self.model, safe='')}"

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return self.get(self.path).document

    @cached_property
    def extensions(self) -> list[str]:
        return list(self.get("/v2").document.get("extensions", []))

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Zeros for each input, flat; a free dimension is 1."""
        return [zeros(tensor) for tensor in self.metadata["inputs"]]

    def request(self, **more: object) -> dict[str, Any]:
        return {"inputs": self.inputs, **more}

    def infer(
        self,
        document: object,
        tail: bytes | None = None,
        *,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`tail` are the bytes behind the JSON; None where the body is JSON alone."""
        head = document if isinstance(document, bytes) else json.dumps(document).encode()
        named = {"Content-Type": "application/json", **(headers or {})}
        if tail is not None:
            named |= {"Content-Type": "application/octet-stream", _HEAD: str(len(head))}
        return self.ask("POST", path or f"{self.path}/infer", head + (tail or b""), named)


def zeros(tensor: dict[str, Any]) -> dict[str, Any]:
    shape = [1 if size == -1 else size for size in tensor["shape"]]
    zero: object = {"BOOL": False, "BYTES": "0"}.get(tensor["datatype"], 0)
    data = [zero] * math.prod(shape)
    return {"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": data}


def nested(data: list[Any], shape: list[int]) -> Any:
    """`data` nested as its shape is."""
    if len(shape) < 2:
        return data
    step = math.prod(shape[1:])
    rows = range(0, len(data), step) if step else range(0)
    return [nested(data[start : start + step], shape[1:]) for start in rows]


def packed(tensor: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The same input by the binary extension: its JSON and its bytes."""
    if tensor["datatype"] == "BYTES":
        items = [item.encode() for item in tensor["data"]]
        data = b"".join(struct.pack("<I", len(item)) + item for item in items)
    else:
        data = bytes(SIZES[tensor["datatype"]] * math.prod(tensor["shape"]))
    head = {name: value for name, value in tensor.items() if name != "data"}
    return {**head, "parameters": {"binary_data_size": len(data)}}, data


def require(holds: object, said: str) -> None:
    """Raises `Deviation`."""
    if not holds:
        raise Deviation(said)


def require_error(answer: Answer) -> None:
    """ "An error response is an HTTP status of 4xx or 5xx and `{"error": <string>}`"; of the two
    only 4xx tells a client that asking again is of no use."""
    require(400 <= answer.status < 500, f"a bad request is answered {answer.status}")
    found = answer.json()
    said = found.get("error") if isinstance(found, dict) else None
    require(isinstance(said, str) and said, f"an error has no text in 'error': {found!r}")
