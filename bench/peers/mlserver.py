"""Seldon's MLServer with a model class of its own kind, in the server's process as it does alone.

It answers the Open Inference Protocol in JSON and over gRPC; binary tensors over HTTP it refuses.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import addresses, environments, processes, wire
from bench.peers import ENGINE, STARTING_S, Running

VERSION = "1.7.1"
_INSIDE = Path(__file__).with_name("inside") / "mlserver_model.py"


@contextmanager
def running(model: Path, folder: Path, *, scratch: Path, name: str = "net") -> Iterator[Running]:
    """A server of the ONNX file `model`, with its files in the new `folder`."""
    home = environments.made(scratch / f"mlserver-{VERSION}", f"mlserver=={VERSION}", ENGINE)
    http, grpc, counted = (addresses.free_port() for _ in range(3))
    folder.mkdir()
    shutil.copy(model, folder / "model.onnx")
    shutil.copy(_INSIDE, folder / _INSIDE.name)
    settings = {
        "host": "127.0.0.1",
        "http_port": http,
        "grpc_port": grpc,
        "metrics_port": counted,
        "parallel_workers": 0,
        "debug": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    described = {
        "name": name,
        "implementation": "mlserver_model.OnnxModel",
        "parameters": {"uri": str(folder / "model.onnx")},
    }
    (folder / "model-settings.json").write_text(json.dumps(described))
    command = [str(home / "bin" / "mlserver"), "start", str(folder)]
    environment = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    with processes.running(
        command, log=folder / "mlserver.log", environment=environment
    ) as process:
        took = processes.await_true(
            lambda: wire.answers(f"http://127.0.0.1:{http}", f"/v2/models/{name}/ready"),
            "MLServer ready",
            timeout=STARTING_S,
            process=process,
        )
        yield Running(name, http, grpc, process, took)
