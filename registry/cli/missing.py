"""What to say where a package is not installed: which it is, and what installs it."""

from types import TracebackType

from registry import errors

# Each of our programs, and the extra of pyproject.toml that brings what it imports.
_EXTRAS = {"registry": "registry", "reconciler": "reconciler", "runtime": "runtime"}


def explained(error: ModuleNotFoundError) -> errors.PlimsollError | None:
    """As an error with a fix; None where the module that is missing is one of ours: a defect."""
    wanted = (error.name or "").partition(".")[0]
    if not wanted or wanted in {*_EXTRAS, "migrations"}:
        return None
    return errors.Unsupported(
        f"this command needs the Python package that has {wanted!r}, which is not installed",
        fix=f"install what it is a part of: pip install 'plimsoll[{_extra(error.__traceback__)}]'",
    )


def _extra(trace: TracebackType | None) -> str:
    """Of the program whose module asked for it: the last of ours on the way."""
    found = "registry"
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        found = _EXTRAS.get(name.partition(".")[0], found)
        trace = trace.tb_next
    return found
