"""The door to this package: what is this model, and is it safe to load?

Never loads it, never raises anything but PlimsollError for what is in the files: broken,
hostile, hanging and greedy ones end as UnsafeModel with the file's name and the fix.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Protocol

from registry import errors
from registry.core import canonical, fields, tensors
from registry.core.canonical import Json
from registry.formats import detect, sandbox, zygote
from registry.formats.refusal import unsafe
from registry.formats.sandbox import Outcome

JOB = "registry.formats.child"
_BROKEN = "export the model again; if it is honest, report this with the model"
_SLOW = "export a smaller model, or raise the registry's inspection limits"


def _scanner() -> str:
    try:
        return f"plimsoll {metadata.version('plimsoll')}"
    except metadata.PackageNotFoundError:  # as in our images, which carry the code alone
        return "plimsoll"


_SCANNER = _scanner()

# Opens a file of the model by its path there; with a number, its first so many bytes are enough.
Fetch = Callable[[str, int | None], int]


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_bytes` is for the parser, beyond what a file takes that must be read whole."""

    model_bytes: int = 64 << 30
    memory_bytes: int = 1 << 30
    cpu_seconds: int = 60
    wall_seconds: float = 90.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; `detail["isolation"]` lists the walls that stood around the parser."""

    format: str
    signature: tensors.Signature
    detail: dict[str, Json] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """What the registry signs of it; what is not safe to load never becomes an Inspection."""
        facts = dict(self.detail)
        isolation = facts.pop("isolation", [])
        return {
            "result": "passed",
            "scanner": _SCANNER,
            "isolation": isolation,
            "facts": facts,
        }


class Box(Protocol):
    """Whatever runs a job's `answer` once, shut in: a child process, or a container."""

    def run(self, request: bytes, *, files: Sequence[int], bounds: sandbox.Bounds) -> Outcome:
        """Never raises for what is in the files; Busy or Unavailable where it cannot run."""

    def close(self) -> None:
        """Nothing is left running."""


class Inspector:
    """Inspects models, several at once where threads ask. `close` ends its processes."""

    def __init__(self, box: Box | None = None) -> None:
        self._sandbox: Box = box or sandbox.Sandbox(JOB)

    def inspect(
        self,
        sizes: Mapping[str, int],
        fetch: Fetch,
        format: str | None,  # noqa: A002
        limits: Limits,
    ) -> Inspection:
        """Inspect the model made of the files in `sizes` (path to bytes), in `format` or any.

        Only the head, and shards of weights, are ever fetched: what is in the other files cannot
        make a model unsafe. Raises UnsafeModel, TooLarge, InvalidInput, Busy or Unavailable.
        """
        _check_total(sizes, limits)
        found, head = detect.head(sizes, format)
        wanted = detect.wanted(found, head, sizes)
        if len(wanted) > zygote.MAX_FILES:
            raise errors.TooLarge(
                f"the weights are in {len(wanted)} files, at most {zygote.MAX_FILES} are allowed",
                fix="save them in larger shards",
            )
        bounds = sandbox.Bounds(
            memory_bytes=limits.memory_bytes + detect.memory(found, sizes[head]),
            cpu_seconds=limits.cpu_seconds,
            wall_seconds=limits.wall_seconds,
        )
        request = canonical.encode(
            {"format": found, "head": head, "sizes": dict(sizes), "opened": list(wanted)}
        )
        with ExitStack() as stack:
            files = []
            for path, count in wanted.items():
                files.append(fetch(path, count))
                stack.callback(os.close, files[-1])
            outcome = self._sandbox.run(request, files=files, bounds=bounds)
        return _read(outcome, found, head)

    def close(self) -> None:
        """Inspecting again is possible, and starts new processes."""
        self._sandbox.close()


def open_plain(path: str, local: Path) -> int:
    """A descriptor of `local`, which is `path` in the model. Raises UnsafeModel.

    A link is refused: what it leads to may be anything, and may change.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        status = local.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise unsafe(path, "not a plain file", fix="push plain files, without symbolic links")
        if status.st_nlink != 1:
            raise unsafe(path, "a hard link to another file", fix="copy it instead of linking it")
        return os.open(local, flags)
    except OSError as error:
        raise unsafe(
            path, f"cannot be read: {error.strerror}", fix="push the file again"
        ) from error


def _check_total(sizes: Mapping[str, int], limits: Limits) -> None:
    total = sum(sizes.values())
    if total > limits.model_bytes:
        raise errors.TooLarge(
            f"the model has {total} bytes, at most {limits.model_bytes} are allowed",
            fix="push a smaller model, or raise the registry's limit on the size of a model",
        )


def _read(outcome: Outcome, found: str, head: str) -> Inspection:
    match outcome:
        case sandbox.Ended(answer):
            return _read_answer(answer, found, head)
        case sandbox.Stopped(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_SLOW)
        case sandbox.Failed(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_BROKEN)


def _read_answer(answer: bytes, found: str, head: str) -> Inspection:
    """The child may be under an attacker's control by now: its answer is parsed as strictly."""
    try:
        document = canonical.decode_object(answer, what="the parser's answer")
        if "refused" in document:
            _raise_refused(fields.mapping(document, "refused", what="refusal"))
        signature = tensors.signature(fields.mapping(document, "signature", what="signature"))
        detail = fields.mapping(document, "detail", what="detail")
    except errors.InvalidInput as error:
        raise unsafe(head, f"the inspection gave no answer: {error.detail}", fix=_BROKEN) from error
    return Inspection(found, signature, detail)


def _raise_refused(refused: dict[str, Json]) -> None:
    detail, fix = (fields.text(refused, name, what="refusal") for name in ("detail", "fix"))
    raise errors.UnsafeModel(detail[:1000], fix=fix[:1000])
