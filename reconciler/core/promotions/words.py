"""What Git is told of a promotion: branch, message, and the one file. Pure."""

from collections.abc import Sequence

from reconciler.core import edit
from reconciler.core.promotions import recognising
from reconciler.core.promotions.acts import Promote, PromoteByHand


def branch(action: Promote) -> str:
    """The same for the same run, so that a push is never repeated under another name."""
    return recognising.branch(action.deployment, action.run.id)


def branch_by_hand(action: PromoteByHand) -> str:
    """The same for the same wish."""
    return recognising.branch(action.deployment, action.wish.id)


def message_by_hand(action: PromoteByHand, approvers: Sequence[str]) -> str:
    """As `message`, for what a person asked for."""
    spec, was, asked = action.spec, action.was, action.promotion
    trailers = [
        *([("Promotion", asked.metadata.name)] if asked is not None else []),
        ("Asked-By", action.wish.by),
        ("Promoted-Digest", spec.digest),
        ("Replaced-Digest", was.digest),
        *(("Approved-By", name) for name in approvers),
    ]
    return "\n".join(
        [
            f"Promote {spec.model} version {spec.version} to {action.deployment}",
            "",
            f"In place of version {was.version}: {action.wish.reason}",
            "",
            *(f"{name}: {value}" for name, value in trailers if value),
            "",
        ]
    )


def message(action: Promote, approvers: Sequence[str]) -> str:
    """The commit's message: what, why, and the evidence to look up."""
    spec, was, asked = action.spec, action.was, action.promotion
    trailers = [
        ("Promotion", f"{asked.metadata.name} {action.run.id}"),
        ("Promoted-From", asked.spec.from_),
        ("Promoted-Digest", spec.digest),
        ("Replaced-Digest", was.digest),
        *(("Approved-By", name) for name in approvers),
    ]
    return "\n".join(
        [
            f"Promote {spec.model} version {spec.version} to {action.deployment}",
            "",
            f"In place of version {was.version}: {action.reason.text}.",
            "",
            *(f"{name}: {value}" for name, value in trailers),
            "",
        ]
    )


def content(action: Promote | PromoteByHand, asked: bytes) -> bytes:
    """The file that has `asked` with the promoted version; raises `InvalidInput`."""
    spec, was = action.spec, action.was
    now = edit.Pin(spec.model, spec.version, spec.digest)
    return edit.moved_on(asked, action.origin, was=was, now=now, path=action.path)
