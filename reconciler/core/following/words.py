"""What Git is told of a version that is followed: branch, message, and the one file. Pure."""

from reconciler.core import edit
from reconciler.core.following.acts import Bump
from reconciler.core.observed import InstanceSpec


def branch(deployment: str) -> str:
    """One for each deployment: a newer version takes the place of an older one."""
    return f"plimsoll/follow/{deployment.replace('/', '-')}"


def message(action: Bump, spec: InstanceSpec) -> str:
    """The commit's message: what, why, and the evidence to look up."""
    was, run = action.was, action.run
    trailers = [
        ("Follows", run.rule),
        ("Followed-Digest", spec.digest),
        ("Replaced-Digest", was.digest),
        ("Log-Entry", str(run.moved) if run.moved else ""),
    ]
    title = f"Let {action.deployment} serve {spec.model} version {spec.version}"
    if spec.version < was.version:
        title = f"Take {action.deployment} back to {spec.model} version {spec.version}"
    return "\n".join(
        [
            title,
            "",
            f"In place of version {was.version}: {action.reason.text}.",
            "",
            *(f"{name}: {value}" for name, value in trailers if value),
            "",
        ]
    )


def content(action: Bump, spec: InstanceSpec, asked: bytes) -> bytes:
    """The file that has `asked` with the version of `spec`; raises `InvalidInput`."""
    now = edit.Pin(spec.model, spec.version, spec.digest)
    return edit.moved_on(asked, action.origin, was=action.was, now=now, path=action.path)
