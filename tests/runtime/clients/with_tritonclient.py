"""Run by the environment of `make clients`: what tritonclient, unmodified, sees of a server.

Prints one JSON document; the tests say what should be in it.
"""

import asyncio
import json
import sys
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.http as sync
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

DIGIT = (np.arange(64, dtype=np.float32) / 64).reshape(1, 64)
WORDS = np.array([b"plain", "Grüße".encode(), b"\xff\x00", b""], dtype=np.object_)


def tensor(module: Any, name: str, value: np.ndarray, datatype: str, *, binary: bool) -> Any:
    found = module.InferInput(name, list(value.shape), datatype)
    found.set_data_from_numpy(value, binary_data=binary)
    return found


def refused(call: Any) -> list[str]:
    try:
        call()
    except InferenceServerException as error:
        return [str(error.status()), str(error.message())]
    return ["", "was not refused"]


def told(client: sync.InferenceServerClient) -> dict[str, Any]:
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "digits ready": client.is_model_ready("digits"),
        "digits 1 ready": client.is_model_ready("digits", "1"),
        "nobody ready": client.is_model_ready("nobody"),
        "server": client.get_server_metadata(),
        "digits": client.get_model_metadata("digits"),
        "config": client.get_model_config("digits"),
        "index": client.get_model_repository_index(),
        "statistics": client.get_inference_statistics("digits", "1"),
        "all statistics": client.get_inference_statistics(),
        "unknown": refused(lambda: client.get_model_metadata("nobody")),
        "load": refused(lambda: client.load_model("digits")),
    }


def digits(client: sync.InferenceServerClient, model: str, name: str) -> dict[str, Any]:
    """The same picture in every way that the client has; `label` of each answer."""
    found = {}
    for way in ("binary", "json", "gzip", "deflate", "some", "classes"):
        wanted: Any = None
        packing = {}
        if way in {"gzip", "deflate"}:
            packing = {"request_compression_algorithm": way, "response_compression_algorithm": way}
        if way in {"some", "json"}:
            wanted = [sync.InferRequestedOutput("label", binary_data=way == "some")]
        if way == "classes":
            wanted = [sync.InferRequestedOutput("probabilities", class_count=2)]
        given = [tensor(sync, name, DIGIT, "FP32", binary=way != "json")]
        result = client.infer(model, given, outputs=wanted, request_id=way, **packing)
        if way == "classes":
            best = result.as_numpy("probabilities").reshape(-1)[0].decode().split(":")
            found[way] = int(best[1])
        else:
            found[way] = int(result.as_numpy("label")[0])
        assert result.get_response()["id"] == way
    return found


def words(client: sync.InferenceServerClient) -> list[list[str]]:
    given = tensor(sync, "word", WORDS, "BYTES", binary=True)
    result = client.infer("words", [given])
    return [[item.hex() for item in result.as_numpy(name)] for name in ("same", "more_bytes")]


def halves(client: sync.InferenceServerClient) -> list[float]:
    value = np.array([[0.5, -3.0]], dtype=ml_dtypes.bfloat16)
    answer = client.infer("halves", [tensor(sync, "x", value, "BF16", binary=True)]).as_numpy("y")
    return [float(number) for number in answer.reshape(-1)]


def faults(client: sync.InferenceServerClient) -> dict[str, list[str]]:
    picture = tensor(sync, "X", DIGIT, "FP32", binary=True)
    other = tensor(sync, "X", DIGIT.astype(np.float64), "FP64", binary=True)
    small = tensor(sync, "X", DIGIT[:, :3], "FP32", binary=True)
    unnamed = tensor(sync, "Y", DIGIT, "FP32", binary=True)
    wanted = [sync.InferRequestedOutput("nothing")]
    return {
        "model": refused(lambda: client.infer("nobody", [picture])),
        "version": refused(lambda: client.infer("digits", [picture], model_version="9")),
        "type": refused(lambda: client.infer("digits", [other])),
        "shape": refused(lambda: client.infer("digits", [small])),
        "input": refused(lambda: client.infer("digits", [unnamed])),
        "output": refused(lambda: client.infer("digits", [picture], outputs=wanted)),
    }


async def asynchronous(address: str) -> dict[str, Any]:
    async with aio.InferenceServerClient(address) as client:
        given = [tensor(aio, "X", DIGIT, "FP32", binary=True)]
        results = await asyncio.gather(*(client.infer("digits", given) for _ in range(20)))
        try:
            await client.infer("nobody", given)
            said = ""
        except InferenceServerException as error:
            said = str(error.message())
        return {
            "ready": await client.is_server_ready(),
            "digits": await client.get_model_metadata("digits"),
            "labels": sorted({int(one.as_numpy("label")[0]) for one in results}),
            "unknown": said,
        }


def main(address: str) -> None:
    with sync.InferenceServerClient(address, concurrency=4) as client:
        seen = {
            "told": told(client),
            "onnx": digits(client, "digits", "X"),
            "saved_model": digits(client, "pictures", "pixels"),
            "torchscript": digits(client, "torch", "pixels"),
            "words": words(client),
            "halves": halves(client),
            "faults": faults(client),
        }
        given = [tensor(sync, "X", DIGIT, "FP32", binary=True)]
        waiting = [client.async_infer("digits", given) for _ in range(8)]
        seen["async_infer"] = [int(one.get_result().as_numpy("label")[0]) for one in waiting]
    seen["asyncio"] = asyncio.run(asynchronous(address))
    json.dump(seen, sys.stdout)


main(sys.argv[1])
