"""Killed before the answer of a forge was written down: its pull request is not forgotten."""

from dataclasses import dataclass, replace

from reconciler.core import actions, desired, remembering, remote, reverts
from reconciler.core.following.acts import Bump, Withdraw
from reconciler.core.promotions.acts import Promote, Recall
from reconciler.core.rollout import Request
from reconciler.core.strategies.progress import Verb
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.following import test_steps as followed
from tests.reconciler.core.paper import Died, Paper, PaperHost
from tests.reconciler.core.promotions import test_steps as promoted
from tests.reconciler.core.test_going_back import deploy, person
from tests.reconciler.core.wishes import deployment_file, wish

PROPOSED = "{alias: champion, by: pullRequest, stableFor: 60s}"


@dataclass
class Losing(Paper):
    """Dies once it has done what `loses` says, before it can write that down; then dies no more."""

    loses: str = ""
    lost: actions.Action | None = None

    def _perform(self, action: actions.Action) -> None:
        if action.verb != self.loses:
            super()._perform(action)
            return
        self.loses, self.lost = "", action
        self.rollouts = remembering.intend(self.rollouts, action, self.now)
        self._effect(action)
        self.done.append(action)
        raise Died

    def until_lost(self) -> actions.Action:
        for _ in range(100):
            if self.lost is not None:
                return self.lost
            self.tick()
        raise AssertionError(self.plan().render())

    def acts(self, kind: type) -> list[actions.Action]:
        return [one for one in self.done if isinstance(one, kind)]


def with_forge(state: desired.DesiredState) -> desired.DesiredState:
    assert state.problems == ()
    return replace(state, has_forge=True)


def losing(state: desired.DesiredState, hosts: tuple[str, ...], loses: str) -> Losing:
    paper = Losing(with_forge(state), {host: PaperHost() for host in hosts})
    paper.run()
    paper.loses = loses
    return paper


def reverting() -> Losing:
    first = wish({"digits": deployment_file("digits", 1, BOTH)})
    paper = losing(first, BOTH, "open-request")
    deploy(paper, 2)
    paper.wish = with_forge(paper.wish)
    person(paper, Verb.ROLLBACK)
    paper.until_lost()
    return paper


def test_a_revert_that_git_has_overtaken_is_looked_for_and_closed() -> None:
    paper = reverting()
    text = deployment_file("digits", 3, BOTH)
    paper.wish = with_forge(wish({"digits": text}, commit="c3"))
    paper.run()
    (closed,) = paper.acts(reverts.CloseRequest)
    assert isinstance(closed, reverts.CloseRequest)
    assert (closed.number, closed.branch) == (None, "branch")
    assert paper.serves() == dict.fromkeys(BOTH, 3)


def test_a_revert_that_somebody_retries_is_looked_for_and_closed() -> None:
    paper = reverting()
    person(paper, Verb.RETRY)
    paper.run()
    assert len(paper.acts(reverts.CloseRequest)) == 1
    assert paper.serves() == dict.fromkeys(BOTH, 2)


def test_a_revert_that_is_needed_still_is_asked_for_again() -> None:
    paper = reverting()
    paper.run()
    assert len(paper.acts(reverts.OpenRequest)) == 2
    assert paper.acts(reverts.CloseRequest) == []


def proposing(state: desired.DesiredState) -> desired.DesiredState:
    """As a pull request, where the file of `asked` says commit."""
    found = {
        key: one.model_copy(update={"spec": one.spec.model_copy(update={"by": "pullRequest"})})
        for key, one in state.promotions.items()
    }
    return replace(with_forge(state), promotions=found)


def promoting() -> Losing:
    paper = losing(promoted.asked(1, commit="c1"), ("h1", "h2"), "promote")
    paper.wish = proposing(promoted.asked(2))
    lost = paper.until_lost()
    assert isinstance(lost, Promote)
    return paper


def test_a_promotion_whose_source_has_moved_on_is_looked_for_and_closed_first() -> None:
    paper = promoting()
    paper.wish = proposing(promoted.asked(3, commit="c3"))
    while len(paper.acts(Promote)) < 2:
        paper.tick()
    verbs = [(one.verb, one.run.version) for one in paper.done if isinstance(one, Promote | Recall)]
    assert verbs == [("promote", 2), ("withdraw", 2), ("promote", 3)]


def test_a_promotion_whose_source_is_ill_before_it_is_known_to_be_told_soaks_anew() -> None:
    paper = promoting()
    paper.hosts["h1"].is_up = False
    paper.tick()
    paper.hosts["h1"].is_up = True
    well_again = paper.now
    assert promoted.until_told(paper).since >= well_again
    assert len(paper.acts(Recall)) == 1


def test_a_promotion_that_goes_on_is_told_again_under_the_same_branch() -> None:
    paper = promoting()
    promoted.until_told(paper)
    first, second = paper.acts(Promote)
    assert isinstance(first, Promote)
    assert isinstance(second, Promote)
    assert first.run.id == second.run.id
    assert paper.acts(Recall) == []


def test_what_a_promotion_left_open_is_closed_when_the_deployment_is_gone() -> None:
    paper = promoting()
    there = deployment_file("digits", 2, ["h1"], auto=False).replace("production", "staging")
    files = {"models.d/staging/digits.yaml": there}
    paper.wish = with_forge(wish({}, commit="c3", policies=files))
    paper.run()
    assert len(paper.acts(Recall)) == 1
    assert KEY not in paper.rollouts


def following() -> Losing:
    paper = losing(followed.asked(1, PROPOSED, says=followed.found(1)), ("h1",), "follow")
    paper.run()
    paper.wish = with_forge(followed.asked(1, PROPOSED, says=followed.found(2, moved=4)))
    lost = paper.until_lost()
    assert isinstance(lost, Bump)
    return paper


def test_a_request_of_an_alias_that_is_back_is_looked_for_and_closed() -> None:
    paper = following()
    paper.wish = with_forge(followed.asked(1, PROPOSED, says=followed.found(1, moved=5)))
    paper.run()
    assert len(paper.acts(Withdraw)) == 1


def test_a_request_that_nobody_needs_is_closed_when_the_deployment_is_gone() -> None:
    paper = following()
    paper.wish = with_forge(wish({}, commit="c3", allow_empty=True))
    paper.run()
    assert len(paper.acts(Withdraw)) == 1
    assert paper.rollouts == {}


def test_what_followed_on_hosts_of_agents_is_not_remembered_once_it_is_gone() -> None:
    state = remote.without(followed.asked(1, says=followed.found(1, moved=5)), ["h1"])
    paper = Paper(with_forge(state), {})
    paper.run()
    assert paper.rollouts[KEY].following is not None
    paper.wish = with_forge(wish({}, commit="c3", allow_empty=True))
    paper.run()
    assert paper.rollouts == {}


def test_the_request_of_a_commit_that_fails_again_is_not_closed_for_its_first_failure() -> None:
    """The forge did not answer when it should have been closed, and has one a branch."""
    paper = reverting()
    paper.run()
    paper.errors = {"close-request": "forge https://forge does not answer"}
    paper.failing = {"h1"}
    person(paper, Verb.RETRY)
    paper.run()
    lifted, again = paper.rollouts[KEY].quarantined
    assert lifted.request == again.request == Request(7, "https://forge/7")
    paper.errors = {}
    paper.done.clear()
    paper.run()
    assert paper.acts(reverts.CloseRequest) == []
    text = deployment_file("digits", 3, BOTH)
    paper.wish = with_forge(wish({"digits": text}, commit="c3"))
    paper.failing = set()
    paper.run()
    assert len(paper.acts(reverts.CloseRequest)) == 1
