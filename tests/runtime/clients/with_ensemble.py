"""Run by the environment of `make clients`: an ensemble and its members' statistics.

Prints one JSON document; the tests say what should be in it.
"""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http


def asked(module: Any, client: Any) -> list[float]:
    given = []
    for name, value in (("left", 3.0), ("right", 4.0)):
        one = module.InferInput(name, [1], "FP32")
        one.set_data_from_numpy(np.array([value], np.float32))
        given.append(one)
    found: list[float] = client.infer("chain", given).as_numpy("answer").tolist()
    return found


def counted(client: Any, model: str) -> int:
    (found,) = client.get_inference_statistics(model)["model_stats"]
    count: int = found["inference_stats"]["success"]["count"]
    return count


def main(url: str, grpc: str) -> None:
    client = over_http.InferenceServerClient(url)
    found = {
        "http": asked(over_http, client),
        "grpc": asked(over_grpc, over_grpc.InferenceServerClient(grpc)),
        "metadata": client.get_model_metadata("chain"),
        "platform": client.get_model_config("chain")["platform"],
        "counts": {name: counted(client, name) for name in ("chain", "two", "sums")},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
