"""What Git is told after a rollback, and when."""

from dataclasses import replace

import pytest

from reconciler.core import actions, edit, reverts
from reconciler.core.reasons import Why
from reconciler.core.rollout import Request
from reconciler.core.strategies.progress import Verb
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.test_going_back import ask, deploy, person
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

PATH = "models.d/production/digits.yaml"


def forged(paper: Paper) -> None:
    paper.wish = replace(paper.wish, has_forge=True)


def request(paper: Paper) -> Request | None:
    return paper.rollouts[KEY].quarantined[-1].request


def did(paper: Paper, verb: str) -> list[actions.Action]:
    return [action for action in paper.done if action.verb == verb]


@pytest.fixture
def back(served: Paper) -> Paper:
    """Sent back from version 2 to version 1, where reverts become pull requests."""
    deploy(served, 2)
    forged(served)
    person(served, Verb.ROLLBACK)
    served.run()
    return served


def test_a_pull_request_is_opened_once_for_the_branch_that_was_pushed(back: Paper) -> None:
    (opened,) = did(back, "open-request")
    assert isinstance(opened, reverts.OpenRequest)
    assert opened.branch == "branch"
    assert opened.revert.evidence == reverts.Evidence(Why.ROLLED_BACK_BY_HAND, "alice", None)
    assert request(back) == Request(7, "https://forge/7")
    for _ in range(20):
        back.tick(600.0)
    assert len(did(back, "open-request")) == 1
    assert did(back, "close-request") == []


def test_it_is_closed_once_git_asks_for_something_else(back: Paper) -> None:
    text = deployment_file("digits", 1, BOTH)
    back.wish = replace(wish({"digits": text}, commit="c3"), has_forge=True)
    back.run()
    (closed,) = did(back, "close-request")
    assert (closed.reason.code, closed.reason.text) == (
        Why.NEW_SPEC,
        "Git asks for version 1, as of c3",
    )
    assert request(back) == Request(7, "https://forge/7", is_closed=True)
    back.run()
    assert len(did(back, "close-request")) == 1


def test_it_is_closed_when_somebody_tries_again_and_another_is_opened_if_that_fails(
    back: Paper,
) -> None:
    back.failing = {"h1"}
    back.rollouts = {KEY: replace(back.rollouts[KEY], wish=None)}
    person(back, Verb.RETRY)
    back.run()
    assert len(did(back, "close-request")) == 1
    assert len(did(back, "open-request")) == 2
    lifted, again = back.rollouts[KEY].quarantined
    assert (lifted.lifted, again.lifted) == (True, False)
    assert (again.code, again.request) == (Why.ACCEPTANCE_FAILED, Request(7, "https://forge/7"))


def test_it_is_closed_when_the_deployment_leaves_git(back: Paper) -> None:
    back.wish = replace(wish({}, commit="c3", allow_empty=True), has_forge=True)
    back.run()
    (closed,) = did(back, "close-request")
    assert closed.reason.text == f"{KEY} is no longer in Git, as of c3"


def test_without_a_forge_the_branch_is_all(served: Paper) -> None:
    deploy(served, 2)
    person(served, Verb.ROLLBACK)
    served.run()
    assert did(served, "open-request") == []
    assert served.rollouts[KEY].quarantined[0].reverted == "branch"


def test_a_forge_that_is_down_delays_no_host_and_is_asked_less_and_less(served: Paper) -> None:
    deploy(served, 2)
    forged(served)
    served.errors = {"open-request": "forge https://forge does not answer"}
    person(served, Verb.ROLLBACK)
    for _ in range(8):
        served.tick(1.0)
    assert served.serves() == {"h1": 1, "h2": 1}
    for _ in range(600):
        served.tick(1.0)
    assert len(did(served, "open-request")) < 20
    (wait,) = [one for one in served.plan().waits if one.reason.code == Why.BACKING_OFF]
    assert "forge https://forge does not answer" in wait.reason.text
    served.errors = {}
    served.run()
    assert request(served) == Request(7, "https://forge/7")


def test_git_that_has_caught_up_meanwhile_gets_no_pull_request(served: Paper) -> None:
    deploy(served, 2)
    forged(served)
    served.errors = {"push-revert": "no route to the remote"}
    person(served, Verb.ROLLBACK)
    for _ in range(8):
        served.tick(1.0)
    served.errors = {}
    ask(served, 3, commit="c3")
    forged(served)
    served.run()
    assert served.serves() == {"h1": 3, "h2": 3}
    assert did(served, "open-request") == []


ASKED = """\
# Owned by the risk team.
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {name: digits, environment: production, labels: {tier: critical}}
spec:
  model:
    name: digits
    version: 2  # since the audit
    digest: "DIGEST2"
  targets: {hosts: [h1]}
  runtime: {image: "runtime:1", format: onnx, resources: {memory: 512Mi, cpus: 1}}
  strategy: {blueGreen: {}}
""".replace("DIGEST2", digest_of(2))
BEFORE = f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {{name: digits, environment: production}}
spec:
  model: {{name: digits, version: 1, digest: "{digest_of(1)}"}}
  targets: {{hosts: [h1]}}
  runtime: {{image: "runtime:1", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
  strategy: {{blueGreen: {{}}}}
"""


def test_a_revert_changes_version_and_digest_and_keeps_every_other_byte() -> None:
    good = edit.spec_of(PATH, BEFORE.encode(), _like())
    found = reverts.content(PATH, ASKED.encode(), BEFORE.encode(), good)
    wanted = ASKED.replace("version: 2 ", "version: 1 ").replace(digest_of(2), digest_of(1))
    assert found == wanted.encode()


def test_where_the_runtime_changed_too_the_file_is_as_it_was() -> None:
    good = edit.spec_of(PATH, BEFORE.encode(), _like())
    asked = ASKED.replace("runtime:1", "runtime:2")
    assert reverts.content(PATH, asked.encode(), BEFORE.encode(), good) == BEFORE.encode()
    other = BEFORE.replace("cpus: 1", "cpus: 2")
    assert reverts.content(PATH, asked.encode(), other.encode(), good) is None
    assert reverts.content(PATH, asked.encode(), None, good) is None
    assert reverts.content(PATH, b"", BEFORE.encode(), good) == BEFORE.encode()


def _like() -> reverts.InstanceSpec:
    state = wish({"digits": deployment_file("digits", 1, ("h1",))})
    return state.deployments[KEY].spec_on("h1", "c1")
