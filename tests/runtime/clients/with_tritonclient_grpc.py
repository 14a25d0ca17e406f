"""Run by the environment of `make clients`: what tritonclient, unmodified, sees over gRPC.

Prints one JSON document; the tests say what should be in it.
"""

import asyncio
import json
import queue
import sys
from typing import Any

import ml_dtypes
import numpy as np
import tritonclient.grpc as sync
from tritonclient.grpc import aio
from tritonclient.utils import InferenceServerException

DIGIT = (np.arange(64, dtype=np.float32) / 64).reshape(1, 64)
WORDS = np.array([b"plain", "Grüße".encode(), b"\xff\x00", b""], dtype=np.object_)


def tensor(name: str, value: np.ndarray, datatype: str) -> Any:
    found = sync.InferInput(name, list(value.shape), datatype)
    found.set_data_from_numpy(value)
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
        "server": client.get_server_metadata(as_json=True),
        "digits": client.get_model_metadata("digits", as_json=True),
        "config": client.get_model_config("digits", as_json=True),
        "index": client.get_model_repository_index(as_json=True),
        "statistics": client.get_inference_statistics("digits", "1", as_json=True),
        "all statistics": client.get_inference_statistics(as_json=True),
        "unknown": refused(lambda: client.get_model_metadata("nobody")),
        "load": refused(lambda: client.load_model("digits")),
        "memory": refused(client.get_system_shared_memory_status),
    }


def digits(client: sync.InferenceServerClient, model: str, name: str) -> dict[str, Any]:
    """The same picture in every way that the client has; `label` of each answer."""
    found = {}
    for way in ("all", "gzip", "some", "classes"):
        wanted: Any = None
        if way == "some":
            wanted = [sync.InferRequestedOutput("label")]
        if way == "classes":
            wanted = [sync.InferRequestedOutput("probabilities", class_count=2)]
        packing = "gzip" if way == "gzip" else None
        given = [tensor(name, DIGIT, "FP32")]
        result = client.infer(
            model, given, outputs=wanted, request_id=way, compression_algorithm=packing
        )
        if way == "classes":
            best = result.as_numpy("probabilities").reshape(-1)[0].decode().split(":")
            found[way] = int(best[1])
        else:
            found[way] = int(result.as_numpy("label")[0])
        assert result.get_response().id == way
    return found


def words(client: sync.InferenceServerClient) -> list[list[str]]:
    result = client.infer("words", [tensor("word", WORDS, "BYTES")])
    return [[item.hex() for item in result.as_numpy(name)] for name in ("same", "more_bytes")]


def halves(client: sync.InferenceServerClient) -> list[float]:
    value = np.array([[0.5, -3.0]], dtype=ml_dtypes.bfloat16)
    answer = client.infer("halves", [tensor("x", value, "BF16")]).as_numpy("y")
    return [float(number) for number in answer.reshape(-1)]


def faults(client: sync.InferenceServerClient) -> dict[str, list[str]]:
    picture = tensor("X", DIGIT, "FP32")
    other = tensor("X", DIGIT.astype(np.float64), "FP64")
    small = tensor("X", DIGIT[:, :3], "FP32")
    unnamed = tensor("Y", DIGIT, "FP32")
    wanted = [sync.InferRequestedOutput("nothing")]
    return {
        "model": refused(lambda: client.infer("nobody", [picture])),
        "version": refused(lambda: client.infer("digits", [picture], model_version="9")),
        "type": refused(lambda: client.infer("digits", [other])),
        "shape": refused(lambda: client.infer("digits", [small])),
        "input": refused(lambda: client.infer("digits", [unnamed])),
        "output": refused(lambda: client.infer("digits", [picture], outputs=wanted)),
    }


def at_once(client: sync.InferenceServerClient) -> list[int]:
    answers: queue.Queue[Any] = queue.Queue()
    for _ in range(8):
        given = [tensor("X", DIGIT, "FP32")]
        client.async_infer("digits", given, lambda result, error: answers.put(error or result))
    return [int(answers.get(timeout=60).as_numpy("label")[0]) for _ in range(8)]


def stream(client: sync.InferenceServerClient) -> list[str]:
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error or result))
    given = [tensor("X", DIGIT, "FP32")]
    for number in range(2):
        client.async_stream_infer("digits", given, request_id=str(number))
    client.async_stream_infer("nobody", given)
    found = [answers.get(timeout=60) for _ in range(3)]
    client.stop_stream()
    return [
        str(one.message()) if isinstance(one, Exception) else one.get_response().id for one in found
    ]


async def asynchronous(address: str) -> list[int]:
    async with aio.InferenceServerClient(address) as client:
        given = [tensor("X", DIGIT, "FP32")]
        results = await asyncio.gather(*(client.infer("digits", given) for _ in range(20)))
        return sorted({int(one.as_numpy("label")[0]) for one in results})


def main(address: str) -> None:
    with sync.InferenceServerClient(address) as client:
        seen = {
            "onnx": digits(client, "digits", "X"),
            "saved_model": digits(client, "pictures", "pixels"),
            "torchscript": digits(client, "torch", "pixels"),
            "words": words(client),
            "halves": halves(client),
            "told": told(client),
            "faults": faults(client),
            "async_infer": at_once(client),
            "stream": stream(client),
        }
    seen["asyncio"] = asyncio.run(asynchronous(address))
    json.dump(seen, sys.stdout)


main(sys.argv[1])
