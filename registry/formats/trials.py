"""The outer side of trying a marked model: starts the child, and believes little of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput
from registry.formats import detect, sandbox
from registry.formats.inspection import Box
from registry.formats.sandbox import Bounds

JOB = "registry.formats.trial"
LARGEST = 512 << 20
_CPU_SECONDS = 60
_OUTPUTS = 16
_MEMORY = 2 << 30
_WHAT = "the trial's answer"


@dataclass(frozen=True, slots=True)
class Tried:
    """Both ran; `outputs` says by name how far they are apart."""

    runtime: str
    outputs: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nobody ran it; that says nothing against the copy."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The original runs, and the copy does not, or gives what is no number."""

    how: str


Trial: TypeAlias = Tried | Skipped | Broken


class Trials:
    """Tries models, several at once where threads ask; `close` ends its processes."""

    def __init__(self, box: Box | None = None) -> None:
        self._sandbox: Box = box or sandbox.Sandbox(JOB)

    def compare(self, original: int, copy: int, size: int, *, seconds: float) -> Trial:
        """Two descriptors of ONNX models of `size` bytes. Raises Busy or Unavailable."""
        request = canonical.encode({"size": size})
        bounds = Bounds(_MEMORY + 8 * size, _CPU_SECONDS, seconds)
        match self._sandbox.run(request, files=[original, copy], bounds=bounds):
            case sandbox.Ended(answer):
                return _read(answer)
            case sandbox.Stopped(reason) | sandbox.Failed(reason):
                return Skipped(f"the trial {reason}")

    def close(self) -> None:
        """Trying again is possible, and starts new processes."""
        self._sandbox.close()


def obstacle(format_name: str, sizes: Mapping[str, int]) -> str:
    """Why such a model is not run here; empty where it may be."""
    if format_name != detect.ONNX:
        return f"{format_name} is not run in the registry"
    if sum(sizes.values()) > LARGEST:
        return f"it has more than {LARGEST >> 20} MiB"
    return ""


def _read(answer: bytes) -> Trial:
    """What is not numbers and a few words is no answer."""
    try:
        said = canonical.decode_object(answer, what=_WHAT)
        if "broken" in said:
            return Broken(fields.text(said, "broken", what=_WHAT)[:300])
        if "skipped" in said:
            return Skipped(fields.text(said, "skipped", what=_WHAT)[:300])
        listed = fields.mapping(said, "outputs", what=_WHAT)
        outputs: dict[str, Json] = {
            name[:80]: _numbers(value) for name, value in list(listed.items())[:_OUTPUTS]
        }
        return Tried(fields.text(said, "runtime", what=_WHAT)[:40], outputs)
    except InvalidInput as error:
        return Skipped(f"the trial gave no answer: {error.detail}"[:300])


def _numbers(value: Json) -> dict[str, Json]:
    found = value if isinstance(value, dict) else {}
    return {
        name: float(number)
        for name in ("largest", "relative", "top1")
        if isinstance(number := found.get(name), int | float)
    }
