"""A promotion from its file to the word for Git, on a fleet on paper, killed at every point."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from reconciler.core import desired, outcomes
from reconciler.core.experiments.run import Told
from reconciler.core.measurements import Found
from reconciler.core.observed import Health
from reconciler.core.promotions import run as runs
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall
from reconciler.core.promotions.run import Run
from reconciler.core.reasons import Why
from reconciler.core.setback import not_ahead
from reconciler.core.strategies.progress import Verb, Wish
from tests.reconciler.core.asking import KEY
from tests.reconciler.core.paper import Paper, PaperHost
from tests.reconciler.core.test_crash_points import Watched
from tests.reconciler.core.wishes import deployment_file, digest_of, wish

WINDOW = "[{kind: allow, schedule: '0 9 * * *', duration: 1h, reason: office hours}]"


def promotion_file(
    *, name: str = "onward", source: str = "staging/digits", to: str = KEY, more: str = ""
) -> str:
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Promotion
metadata: {{name: {name}}}
spec:
  from: {source}
  to: {to}
  conditions: {{soak: 60s{more}}}
  by: commit
"""


def asked(
    staging: int,
    production: int = 1,
    *,
    more: str = "",
    commit: str = "c2",
    elsewhere: Mapping[str, str] = MappingProxyType({}),
    **files: str,
) -> desired.DesiredState:
    """Staging is on h1, production on h2."""
    there = deployment_file("digits", staging, ["h1"], auto=False)
    others = {
        **elsewhere,
        "models.d/staging/digits.yaml": there.replace("production", "staging"),
        "models.d/promotions/onward.yaml": promotion_file(more=more),
        **{f"models.d/promotions/{name}.yaml": text for name, text in files.items()},
    }
    here = deployment_file("digits", production, ["h2"], auto=False)
    return wish({"digits": here}, commit=commit, policies=others)


def begun(paper: Paper, more: str = "") -> Paper:
    """Staging has just gone to version 2, and production serves version 1."""
    paper.wish = asked(1, more=more, commit="c1")
    assert paper.wish.problems == ()
    paper.run()
    paper.wish = asked(2, more=more)
    return paper


def fleet() -> Paper:
    return Paper(asked(1), {name: PaperHost() for name in ("h1", "h2")})


def waiting(paper: Paper) -> str:
    (wait,) = [one for one in paper.plan().waits if one.reason.code is Why.WAITING_TO_PROMOTE]
    return wait.reason.text


def promotions(paper: Paper) -> list[Promote]:
    return [one for one in paper.done if isinstance(one, Promote)]


def run_of(paper: Paper) -> Run | None:
    return paper.rollouts[KEY].promotion


def until_told(paper: Paper) -> Run:
    for _ in range(100):
        run = run_of(paper)
        if run is not None and run.told.where:
            return run
        paper.tick()
    raise AssertionError(paper.plan().render())


def test_what_was_well_for_the_soak_is_promoted_once() -> None:
    paper = begun(fleet())
    run = until_told(paper)
    assert (run.version, paper.serves()) == (2, {"h1": 2, "h2": 1})
    assert paper.now - run.since >= 60
    (action,) = promotions(paper)
    assert (action.spec.version, action.was.version, action.spec.deployment) == (2, 1, KEY)
    paper.run()
    assert len(promotions(paper)) == 1
    assert waiting(paper).endswith("version 2 was proposed: https://forge/9")
    paper.wish = asked(2, 2, commit="c3")
    paper.run()
    assert paper.serves() == {"h1": 2, "h2": 2}


def test_the_soak_begins_anew_after_every_illness() -> None:
    paper = begun(fleet())
    while run_of(paper) is None:
        paper.tick()
    host = paper.hosts["h1"]
    name = host.serving()["digits"]
    host.instances[name] = replace(host.instances[name], health=Health.UNHEALTHY)
    assert "not well yet on h1 of staging/digits" in waiting(paper)
    paper.tick()
    assert run_of(paper) is None
    host.instances[name] = replace(host.instances[name], health=Health.HEALTHY)
    well_again = paper.now
    assert until_told(paper).since >= well_again


def test_a_promotion_waits_for_its_window_and_says_until_when() -> None:
    paper = begun(fleet(), f", windows: {WINDOW}")
    for _ in range(20):
        paper.tick()
    assert promotions(paper) == []
    assert "office hours" in waiting(paper)
    paper.now = 1_000_000 // 86400 * 86400 + 86400 + 9 * 3600
    until_told(paper)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (outcomes.Lacking("approved by nobody, 2 have to"), "approved by nobody, 2 have to"),
        (outcomes.Failed("somebody pushed to main first"), "somebody pushed to main first"),
    ],
)
def test_what_is_missing_is_asked_for_again_and_said(outcome: outcomes.Outcome, said: str) -> None:
    paper = begun(fleet())
    paper.promoted = lambda _: outcome
    while not promotions(paper):
        paper.tick()
    paper.now -= 9
    assert said in waiting(paper)
    paper.promoted = lambda _: outcomes.Brought(2, "commit abc")
    assert until_told(paper).told.where == "commit abc"


def test_nothing_is_promoted_backwards_or_against_a_newer_word() -> None:
    paper = fleet()
    paper.wish = asked(2, 3)
    paper.run()
    assert waiting(paper).endswith("asks for version 2, and this for 3 already")
    assert promotions(paper) == []


def test_a_host_out_of_sight_is_not_taken_for_well() -> None:
    paper = begun(fleet())
    paper.hosts["h1"].is_up = False
    for _ in range(12):
        paper.tick()
    assert "staging/digits cannot be seen on h1" in waiting(paper)
    assert promotions(paper) == []


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("other", {"source": "staging/digits"}, "the promotion onward leads to production/digits"),
        ("back", {"source": KEY, "to": "staging/digits"}, "promotions lead from staging/digits"),
        ("zero", {"source": "staging/digit"}, "there is no good deployment 'staging/digit'"),
    ],
)
def test_promotions_that_make_no_sense_are_refused_where_they_stand(
    name: str, fields: dict[str, str], said: str
) -> None:
    state = asked(2, **{name: promotion_file(name=name, **fields)})
    assert any(said in one.message for one in state.problems), state.problems
    assert set(state.deployments) == {KEY, "staging/digits"}


def test_no_promotion_leads_to_what_follows_an_alias() -> None:
    here = deployment_file("digits", 1, ["h2"], auto=False)
    here = here.replace('"}\n  targets', '", follow: {alias: champion, by: commit}}\n  targets')
    there = deployment_file("digits", 1, ["h1"], auto=False).replace("production", "staging")
    others = {
        "models.d/staging/digits.yaml": there,
        "models.d/promotions/onward.yaml": promotion_file(),
    }
    (problem,) = wish({"digits": here}, policies=others).problems
    assert "spec.to: production/digits follows an alias or a range already" in problem.message


ERRORS = """\
apiVersion: plimsoll.dev/v1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  metrics:
    - name: errors
      provider: {prometheus: {address: "http://prometheus:9090", query: "sum(errors)"}}
      interval: 10s
      count: 3
      successCondition: result < 5
"""
ANALYSED = ", analysis: {templates: [{templateName: errors}]}"


def analysed(paper: Paper, value: float) -> Paper:
    files = {"models.d/templates/errors.yaml": ERRORS}
    paper.measured = lambda _: Found(value)
    paper.wish = asked(1, more=ANALYSED, commit="c1", elsewhere=files)
    assert paper.wish.problems == ()
    paper.run()
    paper.wish = asked(2, more=ANALYSED, elsewhere=files)
    return paper


def test_an_analysis_of_the_source_comes_after_the_soak_and_has_to_succeed() -> None:
    paper = analysed(fleet(), 1.0)
    run = until_told(paper)
    measured = [one for one in paper.done if isinstance(one, Assess)]
    assert [one.specs[0].host for one in measured] == ["h1"] * 3
    assert {one.specs[0].version for one in measured} == {2}
    assert paper.now - run.since >= 60 + 20


def test_what_fails_its_analysis_is_not_promoted_until_there_is_another_version() -> None:
    paper = analysed(fleet(), 9.0)
    for _ in range(60):
        paper.tick()
    assert promotions(paper) == []
    assert "version 2 is not promoted: errors: 1 failed" in waiting(paper)


def test_an_analysis_that_cannot_be_measured_begins_anew_with_the_soak() -> None:
    paper = analysed(fleet(), 1.0)
    paper.errors["assess"] = "no route to host"
    for _ in range(60):
        paper.tick()
    assert promotions(paper) == []
    began = run_of(paper)
    paper.errors.clear()
    assert began is not None
    assert until_told(paper).since >= began.since
    assert began.since > 1_000_300


def test_killed_anywhere_in_an_analysis_the_next_one_goes_on() -> None:
    paper = Watched(asked(1), {name: PaperHost() for name in ("h1", "h2")})
    analysed(paper, 1.0)
    paper.deaths.clear()
    until_told(paper)
    for number, dead in enumerate(paper.deaths):
        assert until_told(dead).version == 2, number
        assert len({one.run.id for one in promotions(dead)}) == 1, number


def test_an_analysis_that_is_not_there_is_told_where_it_stands() -> None:
    (problem,) = asked(1, more=ANALYSED).problems
    assert "spec.conditions.analysis.templates.0.templateName" in problem.message


def test_a_persons_promotion_is_answered_once_and_the_windows_count() -> None:
    paper = fleet()
    paper.wish = asked(1, more=f", windows: {WINDOW}")
    paper.run()
    wished = Wish("w1", Verb.PROPOSE, "it drifts", "ada", 2, digest_of(2))
    paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], wish=wished)}
    paper.tick()
    answer = paper.rollouts[KEY].answer
    assert answer is not None
    assert answer.refused
    assert "office hours" in answer.text
    paper.now = 1_000_000 // 86400 * 86400 + 86400 + 9 * 3600
    again = replace(wished, id="w2")
    paper.rollouts = {**paper.rollouts, KEY: replace(paper.rollouts[KEY], wish=again)}
    paper.done.clear()
    paper.tick()
    (action,) = [one for one in paper.done if isinstance(one, PromoteByHand)]
    assert (action.spec.version, action.was.version) == (2, 1)
    known = paper.rollouts[KEY]
    assert (known.wish, known.granted) == (None, "w2")
    paper.run()
    assert paper.serves() == {"h1": 1, "h2": 1}


def test_a_clock_that_is_set_back_makes_no_soak_longer() -> None:
    paper = begun(fleet())
    until_told(paper)
    known = paper.rollouts
    run = not_ahead(known, 5.0)[KEY].promotion
    assert run is not None
    assert (run.since, run.told) == (5.0, Told("https://forge/9", at=5.0))


def proposed(paper: Paper) -> Paper:
    """Version 2 has an open pull request, number 2; what comes later gets its own number."""
    begun(paper)
    paper.promoted = lambda one: outcomes.Brought(one.spec.version, "there", one.spec.version)
    assert until_told(paper).request == 2
    return paper


def until_version(paper: Paper, version: int) -> Run:
    for _ in range(100):
        run = run_of(paper)
        if run is not None and (run.version, bool(run.told.where)) == (version, True):
            return run
        paper.tick()
    raise AssertionError(paper.plan().render())


def recalled(paper: Paper) -> list[int | None]:
    return [one.run.request for one in paper.done if isinstance(one, Recall)]


def test_a_newer_version_takes_the_place_of_the_one_whose_request_is_open() -> None:
    paper = proposed(fleet())
    paper.wish = asked(3, commit="c3")
    run = until_version(paper, 3)
    second = promotions(paper)[-1]
    assert second.run.overtaken is not None
    assert (second.run.overtaken.version, second.run.overtaken.request) == (2, 2)
    assert (run.request, run.overtaken) == (3, None)
    assert recalled(paper) == []


def test_a_request_stays_open_until_the_newer_version_has_soaked_too() -> None:
    paper = proposed(fleet())
    paper.wish = asked(3, commit="c3")
    while (run := run_of(paper)) is None or run.version != 3:
        paper.tick()
    assert runs.read(runs.document(run)) == run
    host = paper.hosts["h1"]
    name = host.serving()["digits"]
    well = host.instances[name]
    host.instances[name] = replace(well, health=Health.UNHEALTHY)
    paper.tick()
    before = run_of(paper)
    assert before is not None
    assert (before.version, before.request, before.told.where) == (2, 2, "there")
    host.instances[name] = well
    while (run := run_of(paper)) is None or run.version != 3:
        paper.tick()
    paper.wish = asked(2, commit="c4")
    paper.run()
    assert run_of(paper) == before
    assert waiting(paper).endswith("version 2 was proposed: there")
    assert [one.spec.version for one in promotions(paper)] == [2]


@pytest.mark.parametrize("version", [2, 3])
def test_a_request_is_closed_once_git_asks_for_its_version_or_a_newer_one(version: int) -> None:
    paper = proposed(fleet())
    paper.wish = asked(2, version, commit="c3")
    paper.run()
    assert recalled(paper) == [2]
    assert paper.plan().actions == ()
    run = run_of(paper)
    assert run is not None
    assert (run.request, run.told.where) == (None, "there")


def test_a_request_is_closed_once_no_promotion_leads_there() -> None:
    paper = proposed(fleet())
    here = deployment_file("digits", 1, ["h2"], auto=False)
    there = deployment_file("digits", 2, ["h1"], auto=False).replace("production", "staging")
    paper.wish = wish(
        {"digits": here}, commit="c3", policies={"models.d/staging/digits.yaml": there}
    )
    paper.run()
    assert (recalled(paper), run_of(paper)) == ([2], None)


def test_killed_anywhere_while_one_version_overtakes_another_the_next_one_goes_on() -> None:
    paper = Watched(asked(1), {name: PaperHost() for name in ("h1", "h2")})
    proposed(paper)
    paper.wish = asked(3, commit="c3")
    paper.deaths.clear()
    until_version(paper, 3)
    assert len(paper.deaths) > 15
    for number, dead in enumerate(paper.deaths):
        dead.promoted = paper.promoted
        run = until_version(dead, 3)
        assert (run.request, run.overtaken) == (3, None), number
        last = promotions(dead)[-1].run.overtaken if promotions(dead) else None
        assert last is None or last.request == 2, number


def test_killed_anywhere_in_a_promotion_the_next_one_goes_on() -> None:
    paper = Watched(asked(1), {name: PaperHost() for name in ("h1", "h2")})
    begun(paper)
    paper.deaths.clear()
    until_told(paper)
    assert len(paper.deaths) > 15
    for number, dead in enumerate(paper.deaths):
        run = until_told(dead)
        assert (run.version, dead.serves()) == (2, {"h1": 2, "h2": 1}), number
        dead.run()
        assert len({(one.run.id, one.spec.digest) for one in promotions(dead)}) == 1, number
