"""A deployment that follows: from the registry's word to that for Git, on a fleet on paper."""

from dataclasses import replace

import pytest

from reconciler.core import desired, outcomes, remote
from reconciler.core.experiments.run import Told
from reconciler.core.following import words
from reconciler.core.following.acts import Bump, Withdraw
from reconciler.core.following.run import IN_GIT, Run
from reconciler.core.following.target import Candidate, Found, Missing, Resolved
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Why
from reconciler.core.rollout import NO_ROLLOUT, Quarantined
from reconciler.core.setback import not_ahead
from tests.reconciler.core.asking import KEY
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.test_crash_points import Watched
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

ALIAS, RANGE = "{alias: champion, by: commit, stableFor: 60s}", '{range: ">=1 <9", by: pullRequest}'


def found(*versions: int, moved: int = 0) -> Found:
    return Found(tuple(Candidate(one, digest_of(one)) for one in versions), moved)


def asked(
    version: int,
    follow: str = ALIAS,
    *,
    says: Resolved | None = None,
    commit: str = "c1",
    suspend: bool = False,
) -> desired.DesiredState:
    text = deployment_file("digits", version, ["h1"], auto=False, suspend=suspend)
    if follow:
        text = text.replace('"}\n  targets', f'", follow: {follow}}}\n  targets')
        assert "follow:" in text
    state = wish({"digits": text}, commit=commit)
    assert state.problems == ()
    return replace(state, followed={} if says is None else {KEY: says})


def paper(state: desired.DesiredState) -> Paper:
    made = Paper(state, {"h1": PaperHost()})
    made.run()
    return made


def bumps(here: Paper) -> list[Bump]:
    return [one for one in here.done if isinstance(one, Bump)]


def said(here: Paper) -> str:
    (wait,) = [one for one in here.plan().waits if one.reason.code is Why.WAITING_TO_FOLLOW]
    return wait.reason.text


def run_of(here: Paper) -> Run:
    run = here.rollouts[KEY].following
    assert run is not None
    return run


def until_brought(here: Paper, version: int) -> Bump:
    for _ in range(60):
        if here.rollouts.get(KEY, NO_ROLLOUT).following and run_of(here).brought == version:
            return bumps(here)[-1]
        here.tick()
    raise AssertionError(here.plan().render())


def test_an_alias_that_moves_comes_to_git_once_it_has_stayed_there() -> None:
    here = paper(asked(1, says=found(1, moved=5)))
    assert (run_of(here).brought, run_of(here).told.where) == (1, IN_GIT)
    here.wish = asked(1, says=found(2, moved=9))
    moved_at = here.now
    action = until_brought(here, 2)
    assert here.now - moved_at >= 60
    assert (action.specs[0].version, action.specs[0].digest) == (2, digest_of(2))
    assert action.was.version == 1
    assert here.serves() == {"h1": 1}
    assert said(here).endswith("version 2 was proposed: https://forge/10")
    here.run()
    assert len(bumps(here)) == 1
    here.wish = asked(2, says=found(2, moved=9), commit="c2")
    here.run()
    assert here.serves() == {"h1": 2}
    assert here.plan().actions == here.plan().waits == ()


def test_an_alias_that_moves_there_and_back_at_once_writes_nothing() -> None:
    here = paper(asked(1, says=found(1, moved=5)))
    for move in range(6, 20):
        here.wish = asked(1, says=found(2 - move % 2, moved=move))
        here.tick()
        here.tick()
    assert bumps(here) == []


def test_an_alias_leads_back_too_and_says_so() -> None:
    here = paper(asked(2, says=found(2, moved=5)))
    here.wish = asked(2, says=found(1, moved=6))
    action = until_brought(here, 1)
    assert action.reason.text == "alias champion is version 1, and leads back from version 2"


def test_a_range_only_goes_up_but_for_what_is_outside_of_it() -> None:
    here = paper(asked(3, RANGE, says=found(2, 1)))
    assert here.plan().actions == here.plan().waits == ()
    here.wish = asked(3, RANGE.replace("<9", "<3"), says=found(2, 1))
    assert [one.version for one in until_brought(here, 2).specs] == [2, 1]


def test_what_a_person_takes_back_in_git_is_not_brought_again() -> None:
    here = paper(asked(2, RANGE, says=found(2, 1)))
    here.wish = asked(1, RANGE, says=found(2, 1), commit="c2")
    here.run()
    assert said(here).endswith(
        "Git has asked for version 2 before and asks for 1 again: that stands"
    )
    here.wish = asked(1, RANGE, says=found(3, 2, 1), commit="c2")
    assert [one.version for one in until_brought(here, 3).specs] == [3]
    assert len(bumps(here)) == 1


def test_a_quarantined_version_is_passed_over() -> None:
    here = paper(asked(1, RANGE, says=found(1)))
    wanted = here.wish.deployments[KEY].asking_for(_at(here, 3))
    entry = Quarantined(wanted.revision, _at(here, 3), "h1", "deadline_exceeded", "too slow", 1.0)
    here.rollouts = {KEY: replace(here.rollouts[KEY], quarantined=(entry,))}
    here.wish = asked(1, RANGE, says=found(3, 1))
    assert said(here).endswith("version 3 is quarantined here: too slow")
    here.wish = asked(1, RANGE, says=found(3, 2, 1))
    assert [one.version for one in until_brought(here, 2).specs] == [2]


def _at(here: Paper, version: int) -> InstanceSpec:
    spec = here.wish.deployments[KEY].spec_on("", "c1")
    return replace(spec, version=version, digest=digest_of(version))


def test_what_may_not_go_there_is_said_and_asked_for_again() -> None:
    here = paper(asked(1, RANGE, says=found(1)))
    here.brought = lambda _: outcomes.Lacking("version 2: no test result")
    here.wish = asked(1, RANGE, says=found(2, 1))
    while not bumps(here):
        here.tick()
    here.now -= 9
    assert said(here) == "the range >=1 <9: version 2: no test result"
    here.brought = lambda one: outcomes.Brought(one.specs[0].version, "commit abc")
    until_brought(here, 2)


def test_a_newer_version_takes_the_place_of_an_open_request() -> None:
    here = paper(asked(1, RANGE, says=found(1)))
    here.wish = asked(1, RANGE, says=found(2, 1))
    until_brought(here, 2)
    here.wish = asked(1, RANGE, says=found(3, 2, 1))
    action = until_brought(here, 3)
    assert (action.run.request, [one.version for one in action.specs]) == (10, [3])


@pytest.mark.parametrize("follow", [ALIAS, ""])
def test_a_request_is_withdrawn_once_the_alias_is_back_or_nobody_follows(follow: str) -> None:
    here = paper(asked(1, says=found(1, moved=5)))
    here.wish = asked(1, says=found(2, moved=6))
    until_brought(here, 2)
    here.wish = asked(1, follow, says=found(1, moved=7))
    here.run()
    (action,) = [one for one in here.done if isinstance(one, Withdraw)]
    assert action.run.request == 10
    known = here.rollouts[KEY].following
    assert (known is None) if follow == "" else (known is not None and known.brought == 1)


@pytest.mark.parametrize(
    ("says", "text"),
    [
        (None, "the alias champion: the registry was not asked yet"),
        (
            Missing("there is no alias 'champion'"),
            "the alias champion: there is no alias 'champion'",
        ),
    ],
)
def test_what_leads_nowhere_is_said(says: Resolved | None, text: str) -> None:
    here = paper(asked(1, says=says))
    assert said(here) == text
    assert here.serves() == {"h1": 1}


def test_a_suspended_deployment_is_left_as_it_is() -> None:
    here = paper(asked(1, says=found(1, moved=5)))
    here.wish = asked(1, says=found(2, moved=6), suspend=True)
    for _ in range(10):
        here.tick()
    assert said(here).endswith("models.d/production/digits.yaml says suspend: true")
    assert bumps(here) == []


def test_what_is_followed_makes_no_other_rollout() -> None:
    plain, following = asked(1, "").deployments[KEY], asked(1).deployments[KEY]
    assert plain.revision == following.revision
    assert plain.spec_on("h1", "c") == following.spec_on("h1", "c")


def test_a_clock_that_is_set_back_makes_no_wait_longer() -> None:
    here = paper(asked(1, RANGE, says=found(1)))
    here.wish = asked(1, RANGE, says=found(2, 1))
    until_brought(here, 2)
    run = not_ahead(here.rollouts, 5.0)[KEY].following
    assert run is not None
    assert (run.since, run.told) == (5.0, Told("https://forge/10", at=5.0))


def test_killed_anywhere_the_next_one_brings_the_same() -> None:
    here = Watched(asked(1, says=found(1, moved=5)), {"h1": PaperHost()})
    here.run()
    here.wish = asked(1, says=found(2, moved=6))
    here.deaths.clear()
    until_brought(here, 2)
    assert len(here.deaths) >= 6
    for number, dead in enumerate(here.deaths):
        until_brought(dead, 2)
        dead.run()
        assert {one.specs[0].version for one in bumps(dead)} == {2}, number
        assert said(dead).endswith("version 2 was proposed: https://forge/10"), number


SET = """\
# two sites
apiVersion: plimsoll.dev/v1
kind: ModelDeploymentSet
metadata: {name: sites}
spec:
  generators:
    - list:
        elements:
          - {site: north, host: h1, version: 1, digest: "DIGEST"}  # the old mill
          - {site: south, host: h2, version: 1, digest: "DIGEST"}
  template:
    metadata: {name: "digits-{{site}}", environment: production}
    spec:
      model: {name: digits, version: "{{version}}", digest: "{{digest}}", follow: FOLLOW}
      targets: {hosts: ["{{host}}"]}
      runtime: {image: "runtime:1", format: onnx, resources: {memory: 512Mi, cpus: 1}}
      strategy: {blueGreen: {}}
"""


def of_set(text: str) -> Paper:
    text = text.replace("DIGEST", digest_of(1)).replace("FOLLOW", ALIAS)
    state = wish({}, policies={"models.d/sets/sites.yaml": text})
    assert state.problems == ()
    keys = ("production/digits-north", "production/digits-south")
    made = Paper(
        replace(state, followed=dict.fromkeys(keys, found(1, moved=5))),
        {"h1": PaperHost(), "h2": PaperHost()},
    )
    made.run()
    made.wish = replace(state, followed={keys[0]: found(2, moved=6), keys[1]: found(1, moved=5)})
    return made


def test_what_a_set_makes_is_followed_in_the_row_of_its_list() -> None:
    here = of_set(SET)
    while not bumps(here):
        here.tick()
    (action,) = bumps(here)
    asked_for = SET.replace("DIGEST", digest_of(1))
    told = words.content(action, action.specs[0], asked_for.encode()).decode()
    row = '{site: north, host: h1, version: 2, digest: "' + digest_of(2) + '"}  # the old mill'
    assert row in told
    assert told.count(digest_of(1)) == 1
    assert (len(told.splitlines()), told[:11]) == (len(asked_for.splitlines()), "# two sites")


def test_what_many_share_in_a_set_is_for_a_person() -> None:
    shared = SET.replace('"{{version}}"', "1").replace('"{{digest}}"', '"DIGEST"')
    here = of_set(shared.replace(', version: 1, digest: "DIGEST"}', "}"))
    for _ in range(10):
        here.tick()
    assert bumps(here) == []
    assert "change it by hand" in said(here)


def test_what_agents_serve_is_followed_by_the_reconciler_of_the_fleet() -> None:
    state = remote.without(asked(1, says=found(1, moved=5)), ["h1"])
    assert state.deployments[KEY].hosts == ()
    here = Paper(state, {})
    here.run()
    here.wish = remote.without(asked(1, says=found(2, moved=6)), ["h1"])
    assert until_brought(here, 2).path == "models.d/production/digits.yaml"
