"""Pull requests on a forge: GitHub, Gitea (and Forgejo), GitLab, behind one small protocol.

Find, open and close one; list the open ones, keep one comment on each, mark commits with
statuses. What a forge does not do, for whatever reason, is `errors.Unavailable`.
"""

from reconciler.config import Forge as Settings
from reconciler.config import ForgeKind
from reconciler.forges.gitea import Gitea
from reconciler.forges.github import GitHub
from reconciler.forges.gitlab import GitLab
from reconciler.forges.protocol import Asked, Comment, Forge, Opened, State, Status
from registry import errors

__all__ = [
    "Asked",
    "Comment",
    "Forge",
    "Opened",
    "State",
    "Status",
    "connect",
    "keep",
    "opened",
]


def connect(settings: Settings, base: str) -> Forge:
    """The forge that `settings` names; `base` is the branch that requests are to be merged into."""
    match settings.kind:
        case ForgeKind.GITHUB:
            return GitHub(settings, base)
        case ForgeKind.GITEA:
            return Gitea(settings, base)
        case ForgeKind.GITLAB:
            return GitLab(settings, base)


def opened(forge: Forge, branch: str, title: str, body: str) -> Opened:
    """The open request of `branch`: the one that there is, or a new one."""
    found = forge.find(branch)
    if found is not None:
        return found
    try:
        return forge.open(branch, title, body)
    except errors.Unavailable:
        # Its answer may have been lost on the way, or somebody was quicker.
        again = forge.find(branch)
        if again is None:
            raise
        return again


def keep(forge: Forge, number: int, marker: str, body: str) -> bool:
    """The one comment of ours that begins with `marker` says `body`; False where it did already.

    It is looked for each time: so it is found again after a crash, and people may delete it.
    """
    kept = next((one for one in forge.comments(number) if one.body.startswith(marker)), None)
    if kept is None:
        forge.comment(number, body)
    elif kept.body.rstrip() == body.rstrip():
        return False
    else:
        forge.edit(number, kept.id, body)
    return True
