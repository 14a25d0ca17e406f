"""Has a marked model tried against its original, in a child process, where it can be run here."""

from registry import errors
from registry.core.canonical import Json
from registry.core.oms import File
from registry.formats import detect, trials
from registry.usecases import inspection
from registry.usecases.opening import Registry


def compare(
    registry: Registry, format_name: str, original: tuple[File, ...], copy: tuple[File, ...]
) -> dict[str, Json]:
    """How far the outputs are apart, or why nobody ran it; raises CannotMark, Busy, Unavailable."""
    sizes = {file.path: file.size for file in original}
    why = trials.obstacle(format_name, sizes)
    if why:
        return {"executed": False, "why": why}
    _, head = detect.head(sizes, format_name)
    before, after = (next(one for one in files if one.path == head) for files in (original, copy))
    seconds = registry.settings.limits.inspection_seconds
    with inspection.opened(registry, before) as left, inspection.opened(registry, after) as right:
        outcome = registry.trials.compare(left, right, before.size, seconds=seconds)
    match outcome:
        case trials.Broken(how):
            raise errors.CannotMark(
                f"with a watermark {before.path} is not the same model: {how}",
                fix="publish it without a watermark, and report this with the model",
            )
        case trials.Skipped(reason):
            return {"executed": False, "why": reason}
        case trials.Tried(runtime, outputs):
            return {"executed": True, "runtime": runtime, "outputs": outputs}
