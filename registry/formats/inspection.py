"""The door to this package: what is this model, and is it safe to load?

Never loads it, never raises anything but PlimsollError for what is in the files: broken,
hostile, hanging and greedy ones end as UnsafeModel with the file's name and the fix.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry import errors
from registry.core import canonical, fields, tensors
from registry.core.canonical import Json
from registry.formats import detect, sandbox
from registry.formats.refusal import unsafe

_CHILD = ("-m", "registry.formats.child")
_BROKEN = "export the model again; if it is honest, report this with the model"
_SLOW = "export a smaller model, or raise the registry's inspection limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_bytes` is what the parser may use beyond three times the head file's own size."""

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


def inspect(files: Mapping[str, Path], format: str | None, limits: Limits) -> Inspection:  # noqa: A002
    """Inspect the model made of `files` (path in the model to local file).

    `format` None means: find out. Only the head file is opened, read-only, so the local files
    may be the stored blobs themselves. Raises UnsafeModel, TooLarge or InvalidInput.
    """
    sizes = _sizes(files, limits)
    found, head = detect.head(sizes, format)
    descriptor = os.open(files[head], os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        request = canonical.encode(
            {
                "format": found,
                "head": head,
                "sizes": sizes,
                "descriptor": descriptor,
                "memoryBytes": limits.memory_bytes + 3 * sizes[head],
                "cpuSeconds": limits.cpu_seconds,
            }
        )
        outcome = sandbox.run(
            _CHILD, request, descriptor=descriptor, wall_seconds=limits.wall_seconds
        )
    finally:
        os.close(descriptor)
    match outcome:
        case sandbox.Ended(answer):
            return _read_answer(answer, found, head)
        case sandbox.Stopped(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_SLOW)
        case sandbox.Failed(reason):
            raise unsafe(head, f"the inspection {reason}", fix=_BROKEN)


def _sizes(files: Mapping[str, Path], limits: Limits) -> dict[str, int]:
    sizes = {path: _plain_size(path, local) for path, local in files.items()}
    total = sum(sizes.values())
    if total > limits.model_bytes:
        raise errors.TooLarge(
            f"the model has {total} bytes, at most {limits.model_bytes} are allowed",
            fix="push a smaller model, or raise the registry's limit on the size of a model",
        )
    return sizes


def _plain_size(path: str, local: Path) -> int:
    """A link is refused: what it leads to may be anything, and may change."""
    try:
        status = local.lstat()
    except OSError as error:
        raise unsafe(
            path, f"cannot be read: {error.strerror}", fix="push the file again"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise unsafe(path, "not a plain file", fix="push plain files, without symbolic links")
    if status.st_nlink != 1:
        raise unsafe(path, "a hard link to another file", fix="copy the file instead of linking it")
    return status.st_size


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
