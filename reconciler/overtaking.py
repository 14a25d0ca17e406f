"""The open pull requests that people asked for by hand and that a newer promotion overtakes.

They are found where they are, in Git and on the forge: nothing is remembered of them. One to whose
branch somebody has pushed is that person's by now, and is only told.
"""

from dataclasses import dataclass

from reconciler import forges, repo
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions import recognising
from reconciler.core.promotions.recognising import ByHand

_MARKER = "<!-- plimsoll:overtaken -->"


@dataclass(frozen=True, slots=True)
class Older:
    """An open request; with `is_edited`, its branch has more than we proposed."""

    request: forges.Opened
    asked: ByHand
    is_edited: bool


def found(
    repository: repo.Repository,
    forge: forges.Forge,
    spec: InstanceSpec,
    *,
    own: str,
    below: int | None = None,
) -> list[Older]:
    """Those to the deployment of `spec`, but for the one of the branch `own`, and of versions
    `below` one where that is given; raises `GitUnavailable` and `Unavailable`. Branches of forks
    are nobody's business."""
    listed = repository.tips_like(recognising.branches(spec.deployment))
    older = []
    for name, tip in sorted(listed.items()):
        if name == own or not recognising.is_branch(name, spec.deployment):
            continue
        known = _known(repository, spec, tip)
        if known is None or (below is not None and known[0].version >= below):
            continue
        request = forge.find(name)
        if request is not None:
            older.append(Older(request, known[0], known[1]))
    return older


def _known(repository: repo.Repository, spec: InstanceSpec, tip: str) -> tuple[ByHand, bool] | None:
    """What a branch was made for, and whether it is more by now; None where a promotion made it,
    or somebody rewrote it."""
    for commit in repository.news(tip, spec.commit):
        asked = recognising.by_hand(commit, spec.deployment, repository.address)
        if asked is not None:
            return asked, commit.id != tip
    return None


def leave(forge: forges.Forge, older: Older, spec: InstanceSpec, where: str) -> str:
    """Say on the request that it is overtaken by `spec`, once, and to the caller why it stays."""
    why = "somebody has pushed to its branch"
    text = (
        f"Version {spec.version} takes the place of version {older.asked.version}: {where}.\n\n"
        f"This stays open, since {why}: close it if it is needed no longer."
    )
    forges.keep(forge, older.request.number, _MARKER, f"{_MARKER}\n{text}")
    return f"{older.request.url} stays open: {why}"
