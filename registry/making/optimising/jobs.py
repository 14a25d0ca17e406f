"""The child of `children`: reads a request from stdin, shuts itself in, does the job, answers.

Libraries are imported by the job that needs them. What a job refuses is an answer; what breaks is
an exit status and the last line of stderr.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry import errors
from registry.core.canonical import Json

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
Said = Mapping[str, Any]


def main() -> None:
    """Do what stdin asks for."""
    request = json.loads(sys.stdin.buffer.read())
    _shut_in(request)
    try:
        answer: dict[str, Json] = JOBS[request["job"]](request["said"], Path(request["out"]))
    except errors.PlimsollError as error:
        answer = {"refused": {"detail": error.detail, "fix": error.fix}}
    except ModuleNotFoundError as error:
        fix = "pip install 'plimsoll[optimise]', and plimsoll[torchscript] for what learns"
        answer = {"refused": {"detail": f"{error.name} is not installed here", "fix": fix}}
    except (MemoryError, ImportError) as error:  # what cannot be mapped is an ImportError
        sys.exit(f"it needs more memory than limits.memory of the recipe allows: {error}")
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def gather(said: Said, out: Path) -> dict[str, Json]:
    """The source as one file."""
    from registry.making.optimising import layers  # noqa: PLC0415  heavy, as all below

    layers.gather(Path(said["model"]), out / "model.onnx")
    described: list[Json] = [*layers.described(out / "model.onnx")]
    return {"layers": described}


def step(said: Said, out: Path) -> dict[str, Json]:
    """One step of a recipe."""
    source, target = Path(said["model"]), out / "model.onnx"
    (kind, asked), *_ = said["step"].items()
    match kind:
        case "graph":
            from registry.making.optimising import graphs  # noqa: PLC0415

            return {"notes": graphs.optimise(source, target, level=asked["level"])}
        case "quantise":
            return {"notes": _quantised(said, asked, source, target)}
        case "prune":
            return {"notes": _pruned(said, asked, source, target)}
        case "distil":
            return {"notes": _distilled(said, target)}
        case _:
            raise errors.Unsupported(f"there is no step {kind}")


def _quantised(said: Said, asked: Said, source: Path, target: Path) -> list[Json]:
    from registry.making.optimising import (  # noqa: PLC0415
        asking,
        quantising,
        samples,
        sensitivity,
    )  # fmt: skip

    ready = target.with_name("prepared.onnx")
    quantising.prepared(source, ready, asked["mode"])
    calibration = None
    if said.get("calibration"):
        loaded = asking.load(ready, said.get("output"))
        given = samples.read(Path(said["calibration"]), loaded.inputs, None)
        if asked.get("sensitivity"):
            notes = sensitivity.quantise(ready, target, asked, given, said.get("output"))
            ready.unlink()
            return notes
        calibration = quantising.calibrating(given, loaded.fixed)
    notes = quantising.quantise(ready, target, asked, calibration=calibration)
    ready.unlink()
    return notes


def _pruned(said: Said, asked: Said, source: Path, target: Path) -> list[Json]:
    if asked.get("learn"):
        _narrow(said, target.parent)
        from registry.making.optimising.learning import sparsifying  # noqa: PLC0415

        return sparsifying.prune(said, target)
    if asked["method"] == "channels":
        from registry.making.optimising import thinning  # noqa: PLC0415

        return thinning.prune(source, target, asked)
    from registry.making.optimising import pruning  # noqa: PLC0415

    return pruning.prune(source, target, asked)


def _distilled(said: Said, target: Path) -> list[Json]:
    _narrow(said, target.parent)
    from registry.making.optimising.learning import distilling  # noqa: PLC0415

    return distilling.distil(said, target)


def _narrow(said: Said, out: Path) -> None:
    """What learns loads frameworks, and perhaps a student of somebody else's: it reads its files
    and programs, writes to its folder, and starts nothing."""
    from registry.making import shut_in  # noqa: PLC0415

    named = (said.get(name) for name in ("model", "training", "student"))
    shut_in.shut_in([Path(one) for one in named if one], out)


def answers(said: Said, out: Path) -> dict[str, Json]:
    """What the model answers to golden data, and what it takes."""
    from registry.making.optimising import measuring  # noqa: PLC0415

    return measuring.answers(
        Path(said["model"]), Path(said["golden"]), label=said["label"],
        output=said.get("output"), batch=said["batch"], target=out / "answers.npz",
    )  # fmt: skip


def latency(said: Said, out: Path) -> dict[str, Json]:
    """How long it takes, in turns with the model before."""
    from registry.making.optimising import measuring  # noqa: PLC0415

    return measuring.latency(
        Path(said["before"]), Path(said["model"]), Path(said["golden"]),
        output=said.get("output"), batch=said["batch"], requests=said["requests"],
        threads=said["threads"],
    )  # fmt: skip


JOBS = {"gather": gather, "step": step, "answers": answers, "latency": latency}


def _shut_in(request: Said) -> None:
    """End with the parent; no network where the kernel lets us leave it; memory and time bounded.

    RLIMIT_DATA counts what is written, and not the address space that libraries reserve.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != request["parent"]:
        sys.exit("the parent is gone")
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWNET | _CLONE_NEWUSER)
    processors = os.cpu_count() or 1
    for limit, value in (
        (resource.RLIMIT_DATA, request["memory"]),
        (resource.RLIMIT_CPU, request["seconds"] * processors),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        low = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (low, low))


if __name__ == "__main__":
    main()
