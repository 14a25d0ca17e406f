"""What may expire: a table of scenarios, and the rules that hold for every plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import in_use, retention
from registry.core.entries import Entry, Kind
from registry.core.retention import Expire, Facts, Keep, Rule, Version, Why

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = ("digits", 3)


def version(
    number: int, *, model: str = "digits", days: float = 0, status: str = "ready"
) -> Version:
    return Version(model, number, status, f"sha256:{number:064x}", 10, NOW - timedelta(days=days))


def kept(decisions: list[retention.Decision]) -> list[int]:
    return sorted(one.version.number for one in decisions if isinstance(one, Keep))


def why(decisions: list[retention.Decision], number: int) -> Why | None:
    [found] = [one for one in decisions if one.version.number == number]
    return found.why if isinstance(found, Keep) else None


OLD = [version(number, days=400 - number) for number in range(1, 7)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("*", keep_last=2), [5, 6]),
        (Rule("*", keep_days=396), [5, 6]),
        (Rule("*", keep_last=4, keep_days=396), [3, 4, 5, 6]),
        (Rule("*", keep_last=1, keep_days=10_000), [1, 2, 3, 4, 5, 6]),
        (Rule("dig*", keep_last=1), [6]),
        (Rule("fraud", keep_last=1), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_rule_keeps_the_newest_and_the_young(rule: Rule, expected: list[int]) -> None:
    assert kept(retention.plan(OLD, Facts(), [rule], NOW)) == expected


def test_without_a_rule_nothing_ever_expires() -> None:
    decisions = retention.plan(OLD, Facts(), [], NOW)
    assert {one.why for one in decisions if isinstance(one, Keep)} == {Why.NO_RULE}
    assert len(decisions) == len(OLD)


def test_of_several_rules_the_first_that_fits_counts() -> None:
    rules = [Rule("digits", keep_last=5), Rule("*", keep_last=1)]
    both = [*OLD, *(replace(one, model="fraud") for one in OLD)]
    decisions = retention.plan(both, Facts(), rules, NOW)
    assert kept([one for one in decisions if one.version.model == "digits"]) == [2, 3, 4, 5, 6]
    assert kept([one for one in decisions if one.version.model == "fraud"]) == [6]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(deployed={KEY: "x"}), Why.DEPLOYED),
        (Facts(last_good={KEY: "x"}), Why.LAST_GOOD),
        (Facts(in_window={KEY: "x"}), Why.IN_WINDOW),
        (Facts(aliased={KEY: "x"}), Why.ALIASED),
        (Facts(held={KEY: "x"}), Why.HELD),
        (Facts(held_models={"digits": "x"}), Why.HELD),
        (Facts(unreadable=["production/digits"]), Why.UNREADABLE),
        (Facts(deployed={("digits", 4): "x"}), None),
        (Facts(held_models={"fraud": "x"}), None),
    ],
)
def test_what_speaks_for_a_version_keeps_it(facts: Facts, expected: Why | None) -> None:
    assert why(retention.plan(OLD, facts, [Rule("*", keep_last=1)], NOW), 3) == expected


def test_a_version_that_is_not_ready_stays_and_counts_for_nothing() -> None:
    some = [*OLD[:4], replace(OLD[4], status="pending"), replace(OLD[5], status="failed")]
    decisions = retention.plan(some, Facts(), [Rule("*", keep_last=2)], NOW)
    assert kept(decisions) == [3, 4, 5, 6]
    assert why(decisions, 5) is Why.NOT_READY


def test_a_reason_says_which_rule_and_by_how_much() -> None:
    [*_, last] = retention.plan(OLD, Facts(), [Rule("d*", keep_last=2, keep_days=90)], NOW)
    assert isinstance(last, Expire)
    assert last.reason == "rule 'd*': 6th newest, keep_last = 2; 399 days old, keep_days = 90"


@pytest.mark.parametrize(
    ("place", "said"),
    [(1, "newest,"), (2, "2nd newest,"), (3, "3rd"), (11, "11th"), (21, "21st"), (112, "112th")],
)
def test_places_are_counted_as_people_count(place: int, said: str) -> None:
    many = [version(number, days=0) for number in range(1, place + 1)]
    decisions = retention.plan(many, Facts(), [Rule("*", keep_last=place)], NOW)
    [oldest] = [one for one in decisions if one.version.number == 1]
    assert isinstance(oldest, Keep)
    assert oldest.reason.startswith(said)


KEYS = st.tuples(st.sampled_from(["digits", "fraud"]), st.integers(1, 6))
SPOKEN = st.dictionaries(KEYS, st.just("said"), max_size=4)
SOME_FACTS = st.builds(
    Facts, deployed=SPOKEN, last_good=SPOKEN, in_window=SPOKEN, aliased=SPOKEN, held=SPOKEN,
    held_models=st.dictionaries(st.sampled_from(["digits", "fraud"]), st.just("said"), max_size=1),
    unreadable=st.lists(st.just("production/x"), max_size=1),
)  # fmt: skip
RULES = st.lists(
    st.builds(Rule, st.sampled_from(["*", "digits", "f*"]), st.integers(1, 4) | st.none(),
              st.integers(1, 90) | st.none()),
    max_size=3,
)  # fmt: skip
VERSIONS = st.lists(
    st.builds(version, st.integers(1, 6), model=st.sampled_from(["digits", "fraud"]),
              days=st.integers(0, 120), status=st.sampled_from(["ready", "ready", "pending"])),
    unique_by=lambda one: one.key, max_size=12,
)  # fmt: skip


@given(VERSIONS, SOME_FACTS, RULES)
def test_nothing_that_anything_speaks_for_ever_expires(
    versions: list[Version], facts: Facts, rules: list[Rule]
) -> None:
    decisions = retention.plan(versions, facts, rules, NOW)
    gone = {one.version.key for one in decisions if isinstance(one, Expire)}
    spoken = {*facts.deployed, *facts.last_good, *facts.in_window, *facts.aliased, *facts.held}
    assert sorted(one.version.key for one in decisions) == sorted(one.key for one in versions)
    assert not gone & spoken
    assert not {model for model, _ in gone} & facts.held_models.keys()
    assert not (gone and facts.unreadable)
    assert not [one for one in versions if one.key in gone and one.status != "ready"]


@given(VERSIONS, SOME_FACTS, RULES)
def test_the_newest_version_of_a_rule_with_keep_last_never_expires(
    versions: list[Version], facts: Facts, rules: list[Rule]
) -> None:
    decisions = retention.plan(versions, facts, [Rule("*", keep_last=1)], NOW)
    for model in {one.model for one in versions}:
        ready = [one.number for one in versions if one.model == model and one.status == "ready"]
        mine = [one for one in decisions if one.version.model == model]
        assert not ready or max(ready) in kept(mine)


@given(VERSIONS, SOME_FACTS, RULES)
def test_a_second_plan_after_the_first_lets_nothing_more_go(
    versions: list[Version], facts: Facts, rules: list[Rule]
) -> None:
    first = retention.plan(versions, facts, rules, NOW)
    gone = {one.version.key for one in first if isinstance(one, Expire)}
    left = [one for one in versions if one.key not in gone]
    again = retention.plan(left, facts, rules, NOW)
    assert not [one for one in again if isinstance(one, Expire)]


SERVED = {"model": "digits", "version": 2, "digest": "sha256:x", "commit": "c", "instance": "i"}
STATUS = {
    "desired": {"model": "digits", "version": 3, "digest": "sha256:y", "commit": "c"},
    "hosts": [{"host": "edge-1", "serving": SERVED}, {"host": "edge-2", "serving": None}],
    "quarantined": [{"model": "digits", "version": 1, "reason": "bad"}],
}


def test_a_status_mentions_what_is_wanted_served_and_quarantined() -> None:
    assert in_use.mentions(STATUS) == {("digits", 1), ("digits", 2), ("digits", 3)}
    assert in_use.hosts(STATUS) == {"edge-1", "edge-2"}


def test_a_deployment_that_wants_and_serves_nothing_is_readable() -> None:
    assert in_use.mentions({"desired": None, "hosts": []}) == frozenset()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"desired": None},
        {"hosts": []},
        {"desired": "digits@3", "hosts": []},
        {"desired": {"model": "digits"}, "hosts": []},
        {"desired": {"model": "digits", "version": "3"}, "hosts": []},
        {"desired": {"model": "digits", "version": True}, "hosts": []},
        {"desired": None, "hosts": ["edge-1"]},
        {"desired": None, "hosts": [{"host": "edge-1"}]},
        {"desired": None, "hosts": [{"host": "edge-1", "serving": {"name": "digits"}}]},
    ],
)
def test_a_status_of_another_form_says_nothing(document: object) -> None:
    assert in_use.mentions(document) is None  # type: ignore[arg-type]


def story(*events: tuple[Kind, int, str]) -> in_use.Runs:
    runs = in_use.Runs()
    for kind, number, host in events:
        runs.add(
            Entry(
                time="2026-11-23T12:00:00Z", kind=kind, actor="reconciler:main", model="digits",
                version=number, host=host, deployment="production/digits",
            )
        )  # fmt: skip
    return runs


def numbers(runs: in_use.Runs, *hosts: str) -> list[int]:
    return sorted(number for _, number in runs.way_back({"production/digits": hosts}))


def test_the_present_and_the_last_good_one_before_it_are_the_way_back() -> None:
    runs = story(*((Kind.DEPLOYED, number, "edge-1") for number in (1, 2, 3)))
    assert numbers(runs, "edge-1") == [2, 3]


def test_a_quarantined_version_is_nobodys_way_back() -> None:
    runs = story(
        (Kind.DEPLOYED, 1, "edge-1"),
        (Kind.DEPLOYED, 2, "edge-1"),
        (Kind.DEPLOYED, 3, "edge-1"),
        (Kind.QUARANTINED, 3, "edge-1"),
        (Kind.ROLLED_BACK, 2, "edge-1"),
    )
    assert numbers(runs, "edge-1") == [1, 2]


def test_each_host_has_its_own_way_back_and_one_that_left_has_none() -> None:
    runs = story(
        (Kind.DEPLOYED, 1, "edge-2"),
        (Kind.DEPLOYED, 2, "edge-2"),
        (Kind.DEPLOYED, 3, "edge-1"),
        (Kind.DEPLOYED, 4, "edge-1"),
    )
    assert numbers(runs, "edge-1", "edge-2") == [1, 2, 3, 4]
    assert numbers(runs, "edge-1") == [3, 4]


def test_a_deployment_that_is_no_more_has_no_way_back() -> None:
    runs = story((Kind.DEPLOYED, 1, "edge-1"))
    assert runs.way_back({"staging/digits": ["edge-1"]}) == {}
