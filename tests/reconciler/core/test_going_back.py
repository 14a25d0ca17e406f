"""A person sends a deployment back, or tries it again, on a fleet on paper."""

from dataclasses import replace

from reconciler.core import actions, status
from reconciler.core.reasons import Why
from reconciler.core.rollout import Answer
from reconciler.core.strategies.progress import State, Verb, Wish
from tests.reconciler.core.asking import BOTH, KEY
from tests.reconciler.core.paper import Paper
from tests.reconciler.core.wishes import deployment_file, wish

CANARY = "canary: {steps: [{setWeight: 10}, {pause: {}}], scaleDownDelaySeconds: 0}"


def ask(paper: Paper, version: int, *, commit: str, strategy: str = "", fleet: str = "") -> None:
    text = deployment_file("digits", version, BOTH, strategy=strategy, fleet=fleet)
    paper.wish = wish({"digits": text}, commit=commit)
    assert not paper.wish.problems


def deploy(paper: Paper, *versions: int) -> None:
    for version in versions:
        ask(paper, version, commit=f"c{version}")
        paper.run()
        assert set(paper.serves().values()) == {version}
    paper.done.clear()


def person(
    paper: Paper, verb: Verb, reason: str = "support is flooded", to: int | None = None
) -> None:
    known = paper.rollouts[KEY]
    asked = Wish(f"{reason}{paper.now}", verb, reason, "alice", to)
    paper.rollouts = {**paper.rollouts, KEY: replace(known, wish=asked)}


def answer(paper: Paper) -> Answer:
    found = paper.rollouts[KEY].answer
    assert found is not None
    return found


def test_a_version_that_all_have_settled_on_is_sent_back_everywhere_at_once(served: Paper) -> None:
    deploy(served, 2)
    person(served, Verb.ROLLBACK)
    served.tick()
    served.tick()
    starts = [line for line in served.did() if line.endswith(" start")]
    assert starts == ["h1 start", "h2 start"]
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert [len(host.instances) for host in served.hosts.values()] == [1, 1]
    (entry,) = served.rollouts[KEY].quarantined
    assert (entry.spec.version, entry.commit, entry.code) == (2, "c2", Why.ROLLED_BACK_BY_HAND)
    assert (entry.reason, entry.by) == ("rolled back by hand: support is flooded", "alice")
    assert entry.reverted == "branch"
    said = "from version 2 back to version 1: support is flooded"
    assert answer(served) == replace(answer(served), refused=False, text=said)
    for _ in range(50):
        served.tick(600.0)
    assert served.serves() == {"h1": 1, "h2": 1}


def test_the_status_says_who_went_back_and_why(served: Paper) -> None:
    deploy(served, 2)
    person(served, Verb.ROLLBACK)
    served.run()
    found = status.documents(served.wish, served.observed(), served.rollouts, served.now)[KEY]
    assert found["sync"] == {"status": "OutOfSync", "reason": "version 2 is quarantined"}
    text = "from version 2 back to version 1: support is flooded"
    assert found["answer"] == {"refused": False, "text": text}
    quarantined = found["quarantined"]
    assert isinstance(quarantined, list)
    assert isinstance(quarantined[0], dict)
    assert quarantined[0]["by"] == "alice"


def test_a_rollout_under_way_is_sent_back_too(served: Paper) -> None:
    ask(served, 2, commit="c2", strategy=CANARY)
    for _ in range(20):
        served.tick()
    progress = served.rollouts[KEY].progress
    assert progress is not None
    assert progress.state is State.PAUSED
    person(served, Verb.ROLLBACK)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    assert all(host.routes["digits"].share is None for host in served.hosts.values())
    assert served.rollouts[KEY].progress is None
    assert served.rollouts[KEY].quarantined[0].spec.version == 2


def test_one_can_go_further_back_by_naming_the_version(served: Paper) -> None:
    deploy(served, 2, 3)
    person(served, Verb.ROLLBACK)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    person(served, Verb.ROLLBACK)
    served.run()
    text = "changes nothing: version 2 serves already: rolled back by hand: support is flooded"
    assert (answer(served).refused, answer(served).text) == (True, text)
    person(served, Verb.ROLLBACK, to=1)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    person(served, Verb.ROLLBACK, to=2)
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    (entry,) = served.rollouts[KEY].quarantined
    assert entry.spec.version == 3


def test_a_new_commit_lifts_it_and_an_unrelated_one_does_not(served: Paper) -> None:
    deploy(served, 2)
    person(served, Verb.ROLLBACK)
    served.run()
    ask(served, 2, commit="c3", fleet="maxParallel: 1")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    ask(served, 3, commit="c4")
    served.run()
    assert served.serves() == {"h1": 3, "h2": 3}


def test_a_retry_begins_anew_from_the_newest_commit_with_all_tests(served: Paper) -> None:
    served.failing = {"h2"}
    ask(served, 2, commit="c2")
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}
    ask(served, 2, commit="c3", fleet="maxParallel: 2")
    served.failing = set()
    served.done.clear()
    person(served, Verb.RETRY, "the disk was full")
    served.run()
    assert served.serves() == {"h1": 2, "h2": 2}
    assert {a.spec.commit for a in served.done if isinstance(a, actions.Start)} == {"c3"}
    assert sum(isinstance(a, actions.Accept) for a in served.done) == 2
    person(served, Verb.RETRY)
    served.run()
    text = "changes nothing: version 2, which Git asks for, is not quarantined"
    assert answer(served).text == text


def test_what_cannot_be_gone_back_to_is_said(served: Paper) -> None:
    for to, said in (
        (None, "no version but 1 was ever found good here"),
        (1, "version 1 is what Git asks for"),
        (7, "version 7 was never found good here"),
    ):
        person(served, Verb.ROLLBACK, to=to)
        served.run()
        assert answer(served).text == f"changes nothing: {said}"
        assert answer(served).refused
    assert served.rollouts[KEY].quarantined == ()
    deploy(served, 2)
    text = deployment_file("digits", 2, BOTH, suspend=True)
    served.wish = wish({"digits": text}, commit="c3")
    person(served, Verb.ROLLBACK)
    served.run()
    said = "models.d/production/digits.yaml says suspend: true"
    assert answer(served).text == f"changes nothing: {said}"
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_wish_for_what_git_does_not_ask_for_comes_to_nothing(served: Paper) -> None:
    deploy(served, 2)
    served.wish = wish({}, commit="c3")
    person(served, Verb.ROLLBACK)
    served.tick()
    assert answer(served).text == f"changes nothing: {KEY} is no longer in Git"
    served.wish = wish({"digits": "kind: Nothing\n"}, commit="c4")
    person(served, Verb.ROLLBACK)
    served.tick()
    assert answer(served).refused
    assert "models.d/production/digits.yaml:1:" in answer(served).text
    assert served.serves() == {"h1": 2, "h2": 2}


def test_a_host_that_was_away_goes_back_when_it_is_seen_again(served: Paper) -> None:
    deploy(served, 2)
    served.hosts["h2"].is_up = False
    person(served, Verb.ROLLBACK)
    for _ in range(10):
        served.tick()
    served.hosts["h2"].is_up = True
    assert served.serves() == {"h1": 1, "h2": 2}
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_host_that_never_had_it_goes_back_to_what_was_good_on_another(served: Paper) -> None:
    deploy(served, 2)
    hosts = dict(served.rollouts[KEY].hosts)
    hosts["h2"] = replace(hosts["h2"], earlier=())
    served.rollouts = {KEY: replace(served.rollouts[KEY], hosts=hosts)}
    served.is_registry_down = True
    person(served, Verb.ROLLBACK)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 2}
    assert "not on h2, where it never served: the registry is silent" in answer(served).text
    served.is_registry_down = False
    person(served, Verb.ROLLBACK)
    served.run()
    assert served.serves() == {"h1": 1, "h2": 1}


def test_a_rollback_that_is_killed_anywhere_is_finished_by_the_next_one(served: Paper) -> None:
    deploy(served, 2)
    person(served, Verb.ROLLBACK)
    start = replace(served)
    for survives in range(60):
        paper = replace(
            start,
            hosts={
                name: replace(
                    host,
                    instances=dict(host.instances),
                    routes=dict(host.routes),
                    ages=dict(host.ages),
                )
                for name, host in start.hosts.items()
            },
            dies_in=survives,
            done=[],
            quarantined=set(),
        )
        for _ in range(4):
            paper.tick()
            if paper.dies_in is None:
                break
        has_died, paper.dies_in = paper.dies_in is None, None
        paper.run()
        assert paper.serves() == {"h1": 1, "h2": 1}, survives
        assert [entry.spec.version for entry in paper.rollouts[KEY].quarantined] == [2]
        assert paper.rollouts[KEY].wish is None
        if not has_died:
            return
    raise AssertionError("it takes more than sixty points")
