"""KServe's own Python server with a model class of its own kind, one worker."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import addresses, environments, processes, wire
from bench.peers import ENGINE, STARTING_S, Running

VERSION = "0.21.0"
_INSIDE = Path(__file__).with_name("inside") / "kserve_model.py"


@contextmanager
def running(model: Path, folder: Path, *, scratch: Path, name: str = "net") -> Iterator[Running]:
    """A server of the ONNX file `model`, with its files in the new `folder`."""
    home = environments.made(scratch / f"kserve-{VERSION}", f"kserve=={VERSION}", ENGINE)
    http, grpc = addresses.free_port(), addresses.free_port()
    folder.mkdir()
    command = [
        *(str(home / "bin" / "python"), str(_INSIDE), str(model), name),
        *(f"--http_port={http}", f"--grpc_port={grpc}", "--workers=1"),
        "--enable_docs_url=false",
    ]
    environment = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    with processes.running(command, log=folder / "kserve.log", environment=environment) as process:
        took = processes.await_true(
            lambda: wire.answers(f"http://127.0.0.1:{http}", f"/v2/models/{name}/ready"),
            "KServe ready",
            timeout=STARTING_S,
            process=process,
        )
        yield Running(name, http, grpc, process, took)
