"""Run by the environment of `make clients`: a picture and texts, sent to models with steps.

Prints one JSON document; the tests say what should be in it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException


def asked(module: Any, client: Any, model: str, name: str, items: list[bytes]) -> Any:
    given = module.InferInput(name, [len(items)], "BYTES")
    given.set_data_from_numpy(np.array(items, dtype=np.object_))
    try:
        return client.infer(model, [given])
    except InferenceServerException as error:
        return str(error.message())


def words(answer: Any, name: str) -> list[Any]:
    return [[one.decode() for one in np.atleast_1d(row)] for row in answer.as_numpy(name)]


def main(url: str, grpc: str, picture: str) -> None:
    image, found = Path(picture).read_bytes(), {}
    for way, module, client in (
        ("http", over_http, over_http.InferenceServerClient(url)),
        ("grpc", over_grpc, over_grpc.InferenceServerClient(grpc)),
    ):
        found[way] = {
            "image": words(asked(module, client, "seen", "image", [image]), "labels"),
            "text": words(asked(module, client, "praise", "text", [b"good fine", b"bad"]), "label"),
            "noise": asked(module, client, "seen", "image", [image, b"noise"]),
        }
    client = over_http.InferenceServerClient(url)
    found["metadata"] = client.get_model_metadata("seen")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
