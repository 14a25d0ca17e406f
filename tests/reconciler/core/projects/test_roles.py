"""Who may do what by hand to the deployments of a project that says so."""

from dataclasses import replace

import pytest

from reconciler.core.desired import DesiredState
from reconciler.core.kinds.project import Roles
from reconciler.core.projects import roles
from reconciler.core.rollout import NO_ROLLOUT
from reconciler.core.strategies.progress import Verb, Wish
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.projects.projects import ANYTHING, of_project, project_file
from tests.reconciler.core.wishes import deployment_file, wish

ROLES = "roles: {promote: [ada], rollBack: [bob]}"
KNOWN = Roles.model_validate({"promote": ["ada"], "rollBack": ["bob"], "approve": ["eve"]})


def asking(version: int, said: str = ROLES, *, strategy: str = "") -> DesiredState:
    text = of_project(deployment_file("digits", version, BOTH, strategy=strategy), "mine").decode()
    project = {"models.d/projects/mine.yaml": project_file("mine", f"{ANYTHING}, {said}").decode()}
    return wish({"digits": text}, commit=f"c{version}", policies=project)


def want(paper: Paper, verb: Verb, who: str) -> None:
    known = paper.rollouts.get(KEY, NO_ROLLOUT)
    asked = Wish(f"{verb} {who}", verb, "I said so", who)
    paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=asked)}


def answer(paper: Paper) -> str:
    found = paper.rollouts[KEY].answer
    return "" if found is None else found.text


def served() -> Paper:
    paper = Paper(asking(1), {name: PaperHost() for name in BOTH})
    paper.run()
    paper.wish = asking(2)
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}
    return paper


def test_who_may_not_roll_back_is_told_who_may_and_nothing_changes() -> None:
    paper = served()
    want(paper, Verb.ROLLBACK, "ada")
    paper.run()
    assert answer(paper) == "changes nothing: ada may not rollback it; who may: bob"
    assert paper.serves() == {"h1": 2, "h2": 2}
    want(paper, Verb.ROLLBACK, "bob")
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}


def test_a_rollout_that_waits_for_a_person_waits_for_the_right_one() -> None:
    waits = "blueGreen: {autoPromotionEnabled: false, scaleDownDelaySeconds: 30}"
    paper = served()
    paper.wish = asking(3, strategy=waits)
    paper.run()
    want(paper, Verb.PROMOTE, "bob")
    paper.run()
    assert "bob may not promote it; who may: ada" in answer(paper)
    assert paper.serves() == {"h1": 2, "h2": 2}
    want(paper, Verb.PROMOTE, "ada")
    paper.run()
    assert paper.serves() == {"h1": 3, "h2": 3}


@pytest.mark.parametrize(
    ("verb", "version", "may"),
    [
        (Verb.PROMOTE, None, "a"), (Verb.PROMOTE_FULL, None, "a"), (Verb.RESUME, None, "a"),
        (Verb.RETRY, None, "a"), (Verb.PIN, 8, "a"), (Verb.PIN, 7, "a"), (Verb.PIN, 6, "ab"),
        (Verb.UNPIN, None, "ab"), (Verb.PAUSE, None, "ab"), (Verb.ROLLBACK, None, "b"),
        (Verb.ABORT, None, "b"), (Verb.COMMIT, 8, "a"), (Verb.PROPOSE, 6, "a"),
    ],
)  # fmt: skip
def test_each_verb_is_for_its_role(verb: Verb, version: int | None, may: str) -> None:
    found = {
        who
        for who in ("ada", "bob", "eve", "")
        if not roles.why_not(KNOWN, Wish("w", verb, "r", who, version), asked=7)
    }
    assert found == {name for name in ("ada", "bob") if name[0] in may}
    assert roles.why_not(None, Wish("w", verb, "r", "", version), asked=7) == ""


def test_a_role_that_is_left_out_is_nobodys() -> None:
    said = roles.why_not(Roles(), Wish("w", Verb.ABORT, "r", "ada"), asked=1)
    assert said == "ada may not abort it; who may: nobody"
