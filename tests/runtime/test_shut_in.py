"""What code inside a model's own process could still do: compute, and nothing else. Linux."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from registry.core import walls
from registry.errors import UnsafeModel
from runtime.backends import frames, opening, shut_in
from runtime.backends.protocol import DEFAULT_CALL, Settings
from tests.runtime import models
from tests.runtime.process import ROOT, Runtime, pin, running
from tests.runtime.stand_in import StandIn

MIB = 1 << 20

# Every attempt from a thread that was there before the last wall, as an engine's are.
_HOSTILE = """
import ctypes, json, os, queue, socket, sys, threading
from pathlib import Path
from runtime.backends import shut_in
files, secret, parent, memory = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)
shut_in.before_loading(files, memory)
asked, said = queue.Queue(), queue.Queue()
def work():
    while True:
        asked.get()(), said.put(None)
def tried(attempt):
    def run():
        try:
            found = attempt()
            found = "failed" if found == -1 else "done"
        except (OSError, MemoryError, RuntimeError) as error:
            found = type(error).__name__
        said.put(found)
    asked.put(run)
    return said.get()
def serve():
    while True:
        asked.get()()
threading.Thread(target=serve, daemon=True).start()
assert shut_in.before_answering(memory) == ""
threaded = []
print(json.dumps({
    "execve": tried(lambda: os.execv("/bin/true", ["true"])),
    "fork": tried(os.fork),
    "spawn": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "socket": tried(lambda: socket.socket(socket.AF_UNIX)),
    "ptrace": tried(lambda: libc.ptrace(16, parent, 0, 0)),
    "read of the runtime's memory": tried(lambda: open(f"/proc/{parent}/mem", "rb")),
    "signal": tried(lambda: os.kill(parent, 0)),
    "read of a secret": tried(lambda: open(secret, "rb")),
    "write of its own files": tried(lambda: open(files / "model.onnx", "ab")),
    "new file": tried(lambda: open(files / "new", "xb")),
    "rename": tried(lambda: os.rename(files / "model.onnx", files / "other")),
    "mode": tried(lambda: os.chmod(files / "model.onnx", 0o777)),
    "memory": tried(lambda: bytearray(1 << 30)),
    "read of its own files": tried(lambda: open(files / "model.onnx", "rb")),
    "thread": tried(lambda: threading.Thread(target=threaded.append, args=(1,)).start()),
    "socket pair": tried(lambda: [one.close() for one in socket.socketpair()]),
}), flush=True)
os.abort()
"""


def laid_out(contents: dict[str, bytes], folder: Path) -> Path:
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_code_in_a_models_process_can_only_compute(tmp_path: Path) -> None:
    files, secret = tmp_path / "model", tmp_path / "token"
    files.mkdir()
    (files / "model.onnx").write_bytes(b"m")
    secret.write_text("plm_x")
    told = [str(files), str(secret), str(os.getpid()), str(200 * MIB)]
    run = [sys.executable, "-c", _HOSTILE, *told]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    ended = subprocess.run(run, env=environment, capture_output=True, check=False)
    found = json.loads(ended.stdout)
    allowed = {"read of its own files", "thread", "socket pair"}
    assert {name for name, said in found.items() if said == "done"} == allowed, found
    assert found["memory"] == "MemoryError"
    assert ended.returncode == -signal.SIGABRT
    assert sorted(path.name for path in files.iterdir()) == ["model.onnx"]


@pytest.mark.parametrize("form", ["saved_model", "torchscript"])
def test_the_large_engines_work_inside_the_walls(tmp_path: Path, form: str) -> None:
    contents = models.torch_script() if form == "torchscript" else models.saved_models()[0]
    settings = Settings(isolation="process", memory_bytes=2048 * MIB)
    folder = laid_out(contents, tmp_path)
    with closing(opening.opened(form, folder, settings)) as backend:
        call = backend.calls[DEFAULT_CALL]
        inputs = {one.name: np.zeros((3, 64), np.float32) for one in call.signature.inputs}
        assert backend.run(DEFAULT_CALL, inputs)


def test_a_request_for_more_memory_than_there_may_be_is_refused_alone(
    runtime: Runtime, registry: StandIn
) -> None:
    greedy = registry.publish(models.onnx_greedy(), model="greedy")
    beside = registry.publish(models.onnx_digits())
    limited = {"isolation": "process", "memoryBytes": 256 * MIB}
    runtime.models = [pin(greedy) | limited, pin(beside)]
    with running(runtime):
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        answer = runtime.post("/v1/models/greedy:predict", {"instances": [[1 << 28]]})
        assert answer.status_code == 503
        assert "more memory than the version may take" in answer.json()["error"]
        body = {"instances": [[0.5] * 64]}
        assert runtime.post("/v1/models/digits:predict", body).status_code == 200
        answer = runtime.post("/v1/models/greedy:predict", {"instances": [[1000]]})
        assert answer.json() == {"predictions": [[1000.0]]}


def test_a_version_that_needs_more_than_it_may_take_is_refused_when_it_is_loaded(
    tmp_path: Path,
) -> None:
    folder = laid_out(models.onnx_digits(), tmp_path)
    with pytest.raises(UnsafeModel, match=r"it takes \d+ MiB of memory, and may take 8 MiB"):
        opening.opened("onnx", folder, Settings(isolation="process", memory_bytes=8 * MIB))


_LEAKING = """
import socket, sys
from pathlib import Path
from runtime.backends import shut_in
shut_in.before_loading(Path("/usr"), 200 << 20)
import numpy as np
from registry.core.tensors import Signature
from runtime.backends import answering
from runtime.backends.protocol import Call
class Leaking:
    calls = {"leak": Call(Signature((), ()), "predict", (), ())}
    trouble = ""
    kept = []
    def run(self, call, inputs):
        self.kept.append(np.ones(4 << 20))
        return {}
    def close(self): ...
assert shut_in.before_answering(200 << 20) == ""
answering.serve(socket.socket(fileno=int(sys.argv[1])), Leaking())
"""


def test_one_that_keeps_memory_without_bound_is_ended() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run = [sys.executable, "-c", _LEAKING, str(theirs.fileno())]
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        child = subprocess.Popen(run, env=environment, pass_fds=(theirs.fileno(),))
        theirs.close()
        frames.receive(ours)
        channel, far = socket.socketpair()
        with channel, far:
            socket.send_fds(ours, [b"."], [far.fileno()])
            far.close()
            answered = 0
            with pytest.raises(frames.Broken):  # noqa: PT012  which one it is does not matter
                while answered < 40:
                    frames.send(channel, {"call": "leak"}, {}, until=time.monotonic() + 60)
                    frames.receive(channel)
                    answered += 1
        assert answered > 0
        assert child.wait(60) == shut_in.FULL


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_is_whole_for_every_machine_that_is_known(machine: str) -> None:
    for program in (walls.computes(machine, pid=7), walls.reads_nothing(machine, pid=7)):
        assert program is not None
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096  # the kernel takes no more


def test_a_machine_that_is_not_known_gets_no_filter() -> None:
    assert walls.computes("riscv64", pid=7) is None
