"""Requests that people asked for, on each forge, in a real repository: which are overtaken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler import config, forges, overtaking
from reconciler.core import edit
from reconciler.core.kinds import promotion
from reconciler.core.observed import InstanceSpec
from reconciler.core.promotions import words
from reconciler.core.promotions.acts import Promote, PromoteByHand
from reconciler.core.promotions.run import Run
from reconciler.core.reasons import Reason, Why
from reconciler.core.strategies.progress import Verb, Wish
from reconciler.repo import Proposal, Repository
from tests.reconciler.forges import servers
from tests.reconciler.origin import Origin
from tests.reconciler.town import manifest

KEY, PATH = "production/digits", "models.d/production/digits.yaml"
WHY = Reason(Why.PROMOTION, "well for long enough")


def digest_of(version: int) -> str:
    return "sha256:" + str(version) * 64


@dataclass
class Place:
    """A repository that asks for version 1, and a forge for it."""

    origin: Origin
    repository: Repository
    forge: forges.Forge
    there: servers.State

    def spec(self, version: int, key: str = KEY) -> InstanceSpec:
        commit = self.repository.fetch()
        runtime = ("onnx", "plimsoll-runtime:1", 1 << 29, 1.0)
        return InstanceSpec("", key, "digits", version, digest_of(version), *runtime, commit)

    def asked(self, version: int, identity: str, key: str = KEY) -> str:
        """A person asks for `version`, as `plimsoll model promote` does it; returns the branch."""
        wish = Wish(identity * 16, Verb.PROPOSE, "the old one drifts\n\nPromoted-From: me", "ada")
        was = edit.Pin("digits", 1, digest_of(1))
        spec = self.spec(version, key)
        action = PromoteByHand(key, PATH, None, None, wish, was, spec, (), WHY)
        branch = words.branch_by_hand(action)
        return self.proposed(branch, words.message_by_hand(action, ["carol"]), version)

    def promoted(self, version: int) -> str:
        """Nobody asks: a promotion does."""
        run = Run("on", version, digest_of(version), 1.0)
        kind = promotion.Promotion.model_validate(
            {
                "apiVersion": "plimsoll.dev/v1",
                "kind": "Promotion",
                "metadata": {"name": "on"},
                "spec": {
                    "from": "staging/digits",
                    "to": KEY,
                    "conditions": {"soak": "1s"},
                    "by": "pullRequest",
                },
            }
        )
        was = edit.Pin("digits", 1, digest_of(1))
        action = Promote(KEY, PATH, None, kind, run, was, self.spec(version), WHY)
        return self.proposed(words.branch(action), words.message(action, []), version)

    def proposed(self, branch: str, message: str, version: int) -> str:
        parent = self.repository.fetch()
        content = manifest(version, digest_of(version)).encode()
        self.repository.push(Proposal(branch, parent, PATH, content, message, 1e9))
        title, _, body = message.partition("\n\n")
        forges.opened(self.forge, branch, title, body)
        return branch

    def edited(self, branch: str, *how: str) -> None:
        """Somebody pushes to `branch`: one commit more, or with `--amend` another in its place."""
        git = self.origin.git
        git("fetch", "--quiet", "origin", branch)
        git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        git("commit", "--quiet", "--allow-empty", *(how or ("-m", "Mind the memory")))
        git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")

    def found(self, *, own: str = "", below: int | None = None) -> list[tuple[int, int, bool]]:
        listed = overtaking.found(self.repository, self.forge, self.spec(9), own=own, below=below)
        return [(one.request.number, one.asked.version, one.is_edited) for one in listed]


@pytest.fixture(params=servers.KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "token").write_text(servers.TOKEN)
    kind = config.ForgeKind(request.param)
    origin = Origin(tmp_path / "remote")
    origin.commit({PATH: manifest(1, digest_of(1))})
    author = ("Plimsoll reconciler", "reconciler@plimsoll.invalid")
    mine = Repository(origin.url, branch="main", folder=tmp_path / "mine", author=author)
    with servers.serving(kind) as there:
        settings = config.Forge(kind, there.url, "acme/models", tmp_path / "token")
        yield Place(origin, mine, forges.connect(settings, "main"), there)


def test_what_people_asked_for_is_overtaken_and_nothing_else(place: Place) -> None:
    first, mine = place.asked(2, "a"), place.asked(3, "b")
    place.promoted(4)
    place.asked(5, "c", "production/digits-eu")
    place.proposed("feature", "Promote digits version 6 to production/digits\n\nwell", 6)
    place.proposed("plimsoll/promote/production-digits-0123456789ab", "Mine", 7)
    assert place.found(own=mine) == [(1, 2, False)]
    assert place.found() == [(1, 2, False), (2, 3, False)]
    assert place.found(below=3) == [(1, 2, False)]
    place.there.pulls[0].state = "closed"
    assert place.found(own=mine) == []
    assert place.origin.branch(first, PATH)


def test_a_branch_that_somebody_has_pushed_to_is_theirs_and_is_told_once(place: Place) -> None:
    place.edited(place.asked(2, "a"))
    (older,) = overtaking.found(place.repository, place.forge, place.spec(9), own="")
    assert older.is_edited
    for _ in range(2):
        said = overtaking.leave(place.forge, older, place.spec(9), "https://forge.example/9")
    assert said.endswith("stays open: somebody has pushed to its branch")
    (pull,) = place.there.pulls
    assert pull.state == "open"
    (comment,) = pull.comments
    assert "Version 9 takes the place of version 2: https://forge.example/9." in comment


def test_a_commit_that_somebody_has_rewritten_is_nobodys_business(place: Place) -> None:
    place.edited(place.asked(2, "a"), "--amend", "--no-edit")
    assert place.found() == []
    assert place.there.pulls[0].state == "open"
