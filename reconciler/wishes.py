"""What a person wants of a rollout, as files beside the reconciler's memory.

A command leaves a wish, the reconciler takes it into its memory and then drops the file; the id
of a wish makes it count once, whatever is killed in between.
"""

import getpass
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler import state
from reconciler.core.granting import OF_A_ROLLOUT
from reconciler.core.rollout import NO_ROLLOUT, Rollout
from reconciler.core.strategies import progress, table
from reconciler.core.strategies.progress import Progress, State, Verb, Wish
from registry import errors
from registry.core import canonical

FOLDER = "steering"
_LONGEST_REASON = 2000
_OVER = frozenset({State.DONE, State.ABORTED})


@dataclass(frozen=True, slots=True)
class Left:
    """A wish for the deployment `environment/name`, and the file that has it, with these bytes."""

    deployment: str
    wish: Wish
    path: Path
    data: bytes

    def drop(self) -> None:
        """It is remembered, or comes to nothing. One that took its place meanwhile stays."""
        aside = self.path.with_name(f".{self.path.name}.over")
        with suppress(FileNotFoundError):
            self.path.replace(aside)
            if aside.read_bytes() != self.data:
                with suppress(FileExistsError):  # a newer one yet
                    self.path.hardlink_to(aside)
            aside.unlink()


def leave(folder: Path, deployment: str, verb: Verb, reason: str) -> Progress:
    """Ask the reconciler that owns `folder`; the newest wish for a deployment stands.

    Returns where the rollout was; raises `Unsupported` where the wish would change nothing.
    """
    require_reason(folder, reason)
    found = require_possible(deployment, verb, state.peek(folder).get(deployment, NO_ROLLOUT))
    put(folder, deployment, made(verb, reason))
    return found


def require_possible(deployment: str, verb: Verb, known: Rollout) -> Progress:
    """Where the rollout is; raises NotFound without one, `Unsupported` where `verb` is in vain."""
    found = known.progress
    if found is None or found.state in _OVER:
        raise errors.NotFound(
            f"no rollout of {deployment[:80]} is under way", fix="see: plimsoll status"
        )
    if verb not in table.possible(found):
        raise _in_vain(deployment, verb, found)
    return found


def require_reason(folder: Path, reason: str) -> None:
    """Raises `InvalidInput` without a reason, and `NotFound` where nobody would ever read it."""
    if not reason.strip():
        raise errors.InvalidInput(
            "a reason is needed: it is what auditors will read", fix="say it with --reason"
        )
    if not folder.is_dir():
        raise errors.NotFound(
            f"no reconciler has run with {folder}", fix="name its configuration file"
        )


def made(verb: Verb, reason: str, *, version: int | None = None) -> Wish:
    """A new wish of the account that runs this."""
    text = reason.strip()[:_LONGEST_REASON]
    return Wish(secrets.token_hex(8), verb, text, _account(), version)


def put(folder: Path, deployment: str, wish: Wish) -> None:
    """Leave `wish` where the reconciler looks."""
    name = deployment.replace("/", ".")
    (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
    draft = folder / FOLDER / f".{name}"
    draft.write_bytes(canonical.encode(progress.wish_document(wish)))
    draft.replace(folder / FOLDER / name)


def waiting(folder: Path, deployment: str) -> Wish | None:
    """The wish that was left for a deployment and is not taken in yet."""
    return next((left.wish for left in found(folder) if left.deployment == deployment), None)


def is_about(verb: Verb, known: Rollout) -> bool:
    """Whether there is anything that a wish of this kind could change."""
    return known.progress is not None or verb not in OF_A_ROLLOUT


def _account() -> str:
    """Who asks, as the system says; who may write here could claim to be anybody."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _in_vain(deployment: str, verb: Verb, found: Progress) -> errors.Unsupported:
    if found.code == table.Event.SUSPENDED:
        return errors.Unsupported(
            f"{deployment} is suspended in Git, so nothing of it is touched",
            fix="push suspend: false first",
        )
    can = ", ".join(table.possible(found))
    return errors.Unsupported(
        f"{deployment} is {found.state}, and {verb} changes nothing there",
        fix=f"what does: {can}" if can else f"see: plimsoll status {deployment}",
    )


def found(folder: Path) -> Iterator[Left]:
    """Every wish that was left; a file that is none is dropped."""
    for path in sorted((folder / FOLDER).glob("[!.]*")):
        environment, _, name = path.name.partition(".")
        try:
            data = path.read_bytes()
            wish = progress.read_wish(canonical.decode_object(data, what="wish"))
        except FileNotFoundError:
            continue
        except errors.InvalidInput:
            path.unlink(missing_ok=True)
            continue
        yield Left(f"{environment}/{name}", wish, path, data)
