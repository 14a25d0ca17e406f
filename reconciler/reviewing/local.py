"""The plan of a checkout on disk against another commit of it: what its pull request would do.

Needs no network: where no registry can be asked, versions are in doubt and say so.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import git

from reconciler import checkout, client, config, repo, source, state
from reconciler.core import desired, review
from reconciler.core.review import Bound, Doubt, Known, Review, Side, changing
from reconciler.reviewing.gathering import Gatherer
from registry import errors
from registry.core import trustchain

WORKING = "working folder"
_UNASKED = "the registry was not asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """From `base`, a branch, tag or commit, to `head`; without one, to the files as they lie at
    `path`. What came to the base since the two parted is left out, as in a pull request."""

    path: Path
    base: str = "HEAD"
    head: str = ""


class Checkout(repo.Repository):
    """Somebody's own clone, only read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), branch="", folder=folder, author=("", ""))

    def resolve(self, ref: str) -> str:
        """The commit that `ref` names; raises NotFound."""
        try:
            return str(self._runner().rev_parse("--verify", "--quiet", f"{ref}^{{commit}}"))
        except (git.GitError, OSError) as error:
            raise errors.NotFound(
                f"{self.url}: there is no commit {ref[:100]!r}",
                fix="name a branch, tag or commit that is in this clone; git fetch may bring it",
            ) from error

    def parted(self, one: str, other: str) -> str:
        """The commit from which both come; `one` where there is none."""
        try:
            return str(self._runner().merge_base(one, other)).split()[0]
        except git.GitCommandError:
            return one

    def files(self, commit: str) -> dict[str, bytes]:
        """Desired state at `commit`, by path from this folder."""
        with self._failures(f"read {commit[:12]}"):
            prefix = str(self._runner().rev_parse("--show-prefix"))
        blobs = self.list(commit, [f"{prefix}{one}" for one in desired.FOLDERS])
        found = source.contents(self, blobs)
        return {path.removeprefix(prefix): content for path, content in found.items()}


def plan(asked: Asked, settings: config.Config | None) -> Review:
    """What going from base to head would do, by what the registry of `settings` says now."""
    clone, reader = Checkout(asked.path), desired.Reader()
    tip = clone.resolve(asked.head or "HEAD")
    base = clone.parted(clone.resolve(asked.base), tip)
    after_files = clone.files(tip) if asked.head else checkout.files(asked.path)
    before = _side(reader, clone.files(base), base)
    after = _side(reader, after_files, tip)
    bound = Bound(tip if asked.head else WORKING, base)
    if settings is None:
        return unasked(before, after, bound)
    return _asked(settings, lambda gatherer: gatherer.review(
        before, after, head=bound.head, base=bound.base
    ))  # fmt: skip


def unasked(before: Side, after: Side, bound: Bound) -> Review:
    """By the files alone."""
    changes = changing.changes(before.state, after.state)
    facts = {pin: Doubt(pin, _UNASKED) for pin in review.wanted(changes)}
    return review.make(before, after, Known(facts), bound=bound)


def _side(reader: desired.Reader, files: dict[str, bytes], commit: str) -> Side:
    # A base without desired state is where everything is new.
    return Side(reader.load(files, commit=commit, allow_empty=True), files)


def _asked(settings: config.Config, ask: Callable[[Gatherer], Review]) -> Review:
    known = state.peek(settings.state)
    try:
        root = trustchain.read(settings.trust_file.read_bytes())
    except OSError as error:
        raise errors.InvalidConfig(
            f"{settings.trust_file}: the trust root cannot be read: {error.strerror}",
            fix="let trust_file name it, or plan with --offline",
        ) from error
    with closing(
        client.Registry(settings.registry, settings.token_file, settings.registry_ca)
    ) as registry:
        return ask(Gatherer(registry, trust=lambda: root, rollouts=lambda: known))
