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
from registry.formats import detect, sandbox, weights, zygote
from registry.formats.refusal import unsafe
from registry.formats.sandbox import Outcome
from registry.formats.weights import WeightMap

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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a child is asked for; `files` are those it reads, and how much of each suffices."""

    wanted: str
    format: str
    head: str
    files: Mapping[str, int | None]


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
        found, head = self._headed(sizes, format, limits)
        wanted = detect.wanted(found, head, sizes)
        outcome = self._run(sizes, fetch, limits, _Asked("inspection", found, head, wanted))
        return _read_inspection(_document(outcome, head), found, head)

    def weights(
        self,
        sizes: Mapping[str, int],
        fetch: Fetch,
        format: str | None,  # noqa: A002
        limits: Limits,
    ) -> WeightMap:
        """Where the weights lie that can carry a mark; raises as `inspect` does.

        That the model is safe to load is not said: what a mark makes of it is inspected again.
        """
        found, head = self._headed(sizes, format, limits)
        wanted = detect.wanted_for_weights(found, head, sizes)
        outcome = self._run(sizes, fetch, limits, _Asked("weights", found, head, wanted))
        return _read_weights(_document(outcome, head), found, head, sizes)

    def suspect(
        self,
        sizes: Mapping[str, int],
        fetch: Fetch,
        format: str | None,  # noqa: A002
        limits: Limits,
    ) -> tuple[str, dict[str, Json]]:
        """The format of a model that nobody will load, and what was found for `suspect.weights`.

        Raises as `inspect` does; what is not allowed in a model is no reason not to read this one.
        """
        found, head = self._headed(sizes, format, limits)
        wanted = detect.wanted_for_weights(found, head, sizes)
        outcome = self._run(sizes, fetch, limits, _Asked("suspect", found, head, wanted))
        return found, _document(outcome, head)

    def _headed(
        self, sizes: Mapping[str, int], declared: str | None, limits: Limits
    ) -> tuple[str, str]:
        _check_total(sizes, limits)
        return detect.head(sizes, declared)

    def _run(
        self, sizes: Mapping[str, int], fetch: Fetch, limits: Limits, asked: "_Asked"
    ) -> Outcome:
        if len(asked.files) > zygote.MAX_FILES:
            raise errors.TooLarge(
                f"the weights are in {len(asked.files)} files, "
                f"at most {zygote.MAX_FILES} are allowed",
                fix="save them in larger shards",
            )
        bounds = sandbox.Bounds(
            memory_bytes=limits.memory_bytes + detect.memory(asked.format, sizes[asked.head]),
            cpu_seconds=limits.cpu_seconds,
            wall_seconds=limits.wall_seconds,
        )
        request = canonical.encode(
            {
                "wanted": asked.wanted,
                "format": asked.format,
                "head": asked.head,
                "sizes": dict(sizes),
                "opened": list(asked.files),
            }
        )
        with ExitStack() as stack:
            files = []
            for path, count in asked.files.items():
                files.append(fetch(path, count))
                stack.callback(os.close, files[-1])
            return self._sandbox.run(request, files=files, bounds=bounds)

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


def _document(outcome: Outcome, head: str) -> dict[str, Json]:
    """The child may be under an attacker's control by now: its answer is parsed as strictly."""
    match outcome:
        case sandbox.Ended(answer):
            pass
        case sandbox.Stopped(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_SLOW)
        case sandbox.Failed(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_BROKEN)
    try:
        document = canonical.decode_object(answer, what="the parser's answer")
        if "refused" in document:
            _raise_refused(fields.mapping(document, "refused", what="refusal"))
    except errors.InvalidInput as error:
        raise _no_answer(head, error) from error
    return document


def _read_inspection(document: dict[str, Json], found: str, head: str) -> Inspection:
    try:
        signature = tensors.signature(fields.mapping(document, "signature", what="signature"))
        detail = fields.mapping(document, "detail", what="detail")
    except errors.InvalidInput as error:
        raise _no_answer(head, error) from error
    return Inspection(found, signature, detail)


def _read_weights(
    document: dict[str, Json], found: str, head: str, sizes: Mapping[str, int]
) -> WeightMap:
    try:
        said = weights.weight_map(fields.mapping(document, "weights", what="weights"), sizes)
        if found == detect.SAVED_MODEL:
            weights.require_below(detect.SAVED_MODEL_VARIABLES, said)
    except errors.InvalidInput as error:
        raise _no_answer(head, error) from error
    return said


def _no_answer(head: str, error: errors.InvalidInput) -> errors.UnsafeModel:
    return unsafe(head, f"the inspection gave no answer: {error.detail}", fix=_BROKEN)


def _raise_refused(refused: dict[str, Json]) -> None:
    detail, fix = (fields.text(refused, name, what="refusal") for name in ("detail", "fix"))
    raise errors.UnsafeModel(detail[:1000], fix=fix[:1000])
