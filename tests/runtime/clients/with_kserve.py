"""Run by the environment of `make clients`: what KServe's own client, unmodified, sees of a server.

Its package imports a Kubernetes client and a server on the way; those are left out by entering it
at the module that holds the client. Prints one JSON document.
"""

import asyncio
import importlib.util
import json
import sys
import types
from typing import Any

import numpy as np

found = importlib.util.find_spec("kserve")
assert found is not None
package = types.ModuleType("kserve")
package.__path__ = list(found.submodule_search_locations or ())
sys.modules["kserve"] = package

from kserve.inference_client import (  # noqa: E402
    InferenceGRPCClient,
    InferenceRESTClient,
    RESTConfig,
)
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402

DIGIT = (np.arange(64, dtype=np.float32) / 64).reshape(1, 64)


def request(model: str, name: str, *, binary: bool) -> InferRequest:
    given = InferInput(name, [1, 64], "FP32")
    given.set_data_from_numpy(DIGIT, binary_data=binary)
    return InferRequest(model, [given], request_id="mine")


async def refused(call: Any) -> str:
    try:
        await call
    except Exception as error:  # noqa: BLE001  whatever the client makes of it is what is shown
        return str(error)
    return "was not refused"


async def labelled(infer: Any) -> dict[str, int]:
    labels = {}
    for model, name in (("digits", "X"), ("pictures", "pixels"), ("torch", "pixels")):
        for binary in (True, False):
            answer = await infer(request(model, name, binary=binary), model)
            output = next(one for one in answer.outputs if one.name == "label")
            labels[f"{model} {'binary' if binary else 'json'}"] = int(output.as_numpy()[0])
            assert answer.id == "mine"
    return labels


async def v2(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        labels = await labelled(lambda data, model: client.infer(url, data, model_name=model))
        wrong = {"inputs": [{"name": "Y", "shape": [1], "datatype": "FP32", "data": [1]}]}
        return {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "digits": await client.is_model_ready(url, "digits"),
            "nobody": await client.is_model_ready(url, "nobody"),
            "labels": labels,
            "wrong": await refused(client.infer(url, wrong, model_name="digits")),
        }


async def v1(url: str) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v1", retries=0)) as client:
        body = {"instances": DIGIT.tolist()}
        asked = body | {"parameters": {"budget_ms": 25_000}}
        answer = await client.infer(url, body, model_name="digits")
        return {
            "live": await client.is_server_live(url),
            "digits": await client.is_model_ready(url, "digits"),
            "label": answer["predictions"][0]["label"],
            "nobody": await refused(client.is_model_ready(url, "nobody")),
            "explained": (await client.explain(url, "digits", asked))["explanations"],
        }


async def over_grpc(address: str) -> dict[str, Any]:
    """Tensors that are not binary are typed contents here."""
    async with InferenceGRPCClient(address, retries=0) as client:
        return {
            "labels": await labelled(lambda data, _: client.infer(data)),
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "digits": await client.is_model_ready("digits"),
            "nobody": await client.is_model_ready("nobody"),
        }


async def main(url: str, address: str) -> None:
    seen = {"v2": await v2(url), "v1": await v1(url), "grpc": await over_grpc(address)}
    json.dump(seen, sys.stdout)


asyncio.run(main(sys.argv[1], sys.argv[2]))
