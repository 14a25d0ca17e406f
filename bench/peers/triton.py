"""NVIDIA Triton on the CPU: the server out of `nvidia-pytriton`, started without its Python front.

That package has no ONNX backend; so its Python backend runs onnxruntime, in a process of its
own as always there. With `batching` the server gathers requests before it hands them over.
"""

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import addresses, environments, processes, wire
from bench.peers import ENGINE, STARTING_S, Running, signature
from bench.peers.signature import Part

VERSION = "2.51"
_PACKAGE = "nvidia-pytriton==0.7.0"
_INSIDE = Path(__file__).with_name("inside") / "triton_model.py"
_DELAY_US = 100


@contextmanager
def running(
    model: Path, folder: Path, *, scratch: Path, name: str = "net", batching: int = 0
) -> Iterator[Running]:
    """A server of the ONNX file `model`, with its files in the new `folder`.

    `batching` is the most rows that it gathers; at 0 each request is run as it comes.
    """
    home = environments.made(scratch / f"triton-{VERSION}", "numpy<2", ENGINE, alone=[_PACKAGE])
    packages = home / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    server = packages / "pytriton" / "tritonserver"
    _place_stub(server)
    _write_repository(model, folder / "models" / name, name=name, batching=batching)
    http, grpc = addresses.free_port(), addresses.free_port()
    command = [
        str(server / "bin" / "tritonserver"),
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={server / 'backends'}",
        f"--cache-directory={server / 'caches'}",
        *(f"--http-port={http}", f"--grpc-port={grpc}", "--allow-metrics=false"),
        *("--http-address=127.0.0.1", "--grpc-address=127.0.0.1"),
    ]
    log = folder / "triton.log"
    environment = _environment(home, packages)
    with processes.running(command, log=log, environment=environment) as process:
        took = processes.await_true(
            lambda: wire.answers(f"http://127.0.0.1:{http}", "/v2/health/ready"),
            "Triton ready",
            timeout=STARTING_S,
            process=process,
        )
        yield Running(name, http, grpc, process, took)


def _place_stub(server: Path) -> None:
    """The program that runs Python models, the one for this Python, to where it is looked for."""
    stub = server / "python_backend_stubs" / sysconfig.get_python_version()
    target = server / "backends" / "python" / "triton_python_backend_stub"
    if not target.exists():
        shutil.copy2(stub / "triton_python_backend_stub", target)


def _environment(home: Path, packages: Path) -> dict[str, str]:
    library = sysconfig.get_config_var("LIBDIR")
    return {
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(library or Path(sys.base_prefix) / "lib"),
        "PYTHONPATH": str(packages),
    }


def _write_repository(model: Path, folder: Path, *, name: str, batching: int) -> None:
    (folder / "1").mkdir(parents=True)
    shutil.copy(model, folder / "1" / "model.onnx")
    shutil.copy(_INSIDE, folder / "1" / "model.py")
    inputs, outputs = signature.read(model)
    lines = [f"name: {json.dumps(name)}", 'backend: "python"', f"max_batch_size: {batching}"]
    lines += _parts("input", inputs, batched=bool(batching))
    lines += _parts("output", outputs, batched=bool(batching))
    lines.append("instance_group [ { count: 1 kind: KIND_CPU } ]")
    if batching:
        lines.append(f"dynamic_batching {{ max_queue_delay_microseconds: {_DELAY_US} }}")
    (folder / "config.pbtxt").write_text("\n".join(lines) + "\n")


def _parts(what: str, parts: Sequence[Part], *, batched: bool) -> list[str]:
    """A model that is batched does not name its first axis."""
    return [
        f"{what} [ {{ name: {json.dumps(part.name)} data_type: TYPE_{part.datatype} "
        f"dims: [ {', '.join(map(str, part.shape[1:] if batched else part.shape))} ] }} ]"
        for part in parts
    ]
