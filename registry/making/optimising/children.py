"""Runs one job of `jobs` in a child with limits and without a network, and hands back its answer.

Here a job may read and write files, unlike the sandbox of `registry.formats`: it is the owner's own
model, inspected there first. What hangs or eats memory ends alone, and whoever ends this process
ends the child too.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry import errors
from registry.core import canonical, fields
from registry.core.canonical import Json

_JOB = "registry.making.optimising.jobs"
_LAST = 2000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one child may take."""

    memory_bytes: int
    seconds: int


def run(job: str, said: Mapping[str, Json], out: Path, bounds: Bounds) -> dict[str, Json]:
    """What `job` answers to `said`; its files are in the folder `out`.

    Raises Unsupported or InvalidInput as the job does, and Unsupported for one that was stopped.
    """
    request: dict[str, Json] = {
        "job": job, "said": dict(said), "out": str(out),
        "memory": bounds.memory_bytes, "seconds": bounds.seconds, "parent": os.getpid(),
    }  # fmt: skip
    with subprocess.Popen(  # noqa: S603  our own interpreter and module
        [sys.executable, "-s", "-P", "-m", _JOB],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=_environment(out), start_new_session=True,
    ) as child:  # fmt: skip
        try:
            answer, words = child.communicate(canonical.encode(request), timeout=bounds.seconds)
        except subprocess.TimeoutExpired:
            raise errors.Unsupported(
                f"it took longer than {bounds.seconds} s",
                fix="raise limits.duration in the recipe, or ask for less",
            ) from None
        finally:
            _end(child)
    return _read(job, child.returncode, answer, words)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Nothing of its process group is left."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _read(job: str, status: int, answer: bytes, words: bytes) -> dict[str, Json]:
    if status == 0:
        # The last line alone: libraries may have written on stdout before.
        document = json.loads(answer.decode().strip().rpartition("\n")[2])
        said = canonical.decode_object(canonical.encode(document), what=f"answer of {job}")
        if "refused" not in said:
            return said
        refused = fields.mapping(said, "refused", what="refusal")
        detail, fix = (fields.text(refused, name, what="refusal") for name in ("detail", "fix"))
        raise errors.Unsupported(detail, fix=fix)
    last = words.decode(errors="replace").strip().rpartition("\n")[2][:_LAST]
    if status < 0 and -status in {signal.SIGKILL, signal.SIGXCPU}:
        last = "it used up its processor time or memory"
    raise errors.Unsupported(
        f"the process of {job} ended with {status}: {last or 'it said nothing'}",
        fix="raise limits in the recipe where it was stopped by them",
    )


def _environment(out: Path) -> dict[str, str]:
    """Nothing of ours but where modules are: no token, no proxy."""
    places = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    return {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(out),
        "TMPDIR": str(out),
        "LANG": "C.UTF-8",
        "ORT_DISABLE_TELEMETRY": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
    }
