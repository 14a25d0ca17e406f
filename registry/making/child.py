"""Runs a job on a stranger's model in a process that is shut in, and hands back what it said.

`{"job": …}` goes in as JSON, `{"done": …}` or `{"refused": {"code", "detail", "fix"}}` comes out.
The child can hang, crash or be killed: the caller gets one of our errors.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from registry import errors
from registry.core import canonical
from registry.core.canonical import Json
from registry.errors import InvalidInput, PlimsollError

ENTRY = "registry.making.in_child"
SECONDS = 1800.0


def run(request: dict[str, Json], work: Path, *, seconds: float = SECONDS) -> dict[str, Json]:
    """What the job answered; `work` is the one folder that it may write to.

    Raises the error that the child raised; InvalidInput where it crashed; WaitTimedOut.
    """
    with tempfile.TemporaryFile() as words:
        answer, theirs = os.pipe()
        with subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-s", "-P", "-m", ENTRY, str(theirs)],
            stdin=subprocess.PIPE, stdout=words, stderr=words, pass_fds=(theirs,),
            start_new_session=True, env=_environment(work),
        ) as process:  # fmt: skip
            os.close(theirs)
            try:
                with os.fdopen(answer, "rb") as stream:
                    _ask(process, request)
                    process.wait(seconds)
                    said = stream.read()
            except subprocess.TimeoutExpired:
                raise errors.WaitTimedOut(
                    f"it was not done after {seconds:g} s",
                    fix="give it more time, or a smaller model",
                ) from None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        words.seek(0)
        return _read(said, process.returncode, words.read())


def _ask(process: "subprocess.Popen[bytes]", request: dict[str, Json]) -> None:
    if process.stdin is None:
        raise InvalidInput("the process has no way in")
    with suppress(BrokenPipeError), process.stdin as stream:
        stream.write(canonical.encode(request))


def _environment(work: Path) -> dict[str, str]:
    """Nothing of ours but where modules are: no token, no proxy."""
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, sys.path))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "TMPDIR": str(work),
        "HOME": str(work),
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(work),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "ORT_DISABLE_TELEMETRY": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LANG": "C.UTF-8",
        "PATH": "",
    }


def _read(said: bytes, status: int, words: bytes) -> dict[str, Json]:
    try:
        document = canonical.decode_object(said, what="answer")
    except InvalidInput:
        raise _crashed(status, words) from None
    refused = document.get("refused")
    if isinstance(refused, dict):
        raise _error(refused)
    done = document.get("done")
    if not isinstance(done, dict):
        raise _crashed(status, words)
    return done


def _crashed(status: int, words: bytes) -> PlimsollError:
    last = words.decode(errors="replace").strip().rpartition("\n")[2][:300]
    how = signal.strsignal(-status) if status < 0 else f"status {status}"
    return errors.InvalidInput(
        f"the library that loads the model ended with {how}: {last}",
        fix="export the model again; if it is honest, report this with the model",
    )


def _error(refused: dict[str, Json]) -> PlimsollError:
    known = {kind.code: kind for kind in _kinds(PlimsollError)}
    kind = known.get(str(refused.get("code")), InvalidInput)
    return kind(str(refused.get("detail")), fix=str(refused.get("fix") or ""))


def _kinds(kind: type[PlimsollError]) -> Iterator[type[PlimsollError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def main(jobs: "dict[str, str]") -> None:
    """The child's side: read, shut in, do, answer. `jobs` names the module that does each."""
    from importlib import import_module  # noqa: PLC0415  the parent needs none of this

    from registry.making import shut_in  # noqa: PLC0415

    answer = int(sys.argv[1])
    request = json.loads(sys.stdin.buffer.read())
    readable = [Path(one) for one in request.get("readable", [])]
    standing = shut_in.shut_in(readable, Path(request["writable"]))
    try:
        job = import_module(jobs[request["job"]])
        said = {"done": {**job.answer(request), "walls": standing}}
    except PlimsollError as error:
        said = {"refused": {"code": error.code, "detail": error.detail, "fix": error.fix}}
    os.write(answer, canonical.encode(said))
