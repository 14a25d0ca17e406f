"""Which hosts are whose: all reconcilers agree, and nothing moves without a reason."""

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import actions, shares, status
from reconciler.core.observed import HostState
from reconciler.core.plan import plan
from reconciler.core.rollout import HostRollout, Quarantined, Restarted, Rollout
from tests.reconciler.core.asking import KEY
from tests.reconciler.core.wishes import deployment_file, wish

WISH = wish({"digits": deployment_file("digits", 1, ["edge-1"])}, hosts=["edge-1"])
HOSTS = [f"edge-{number}" for number in range(12)]
RECONCILERS = st.sets(st.sampled_from(["amber", "blue", "green", "red"]), min_size=1)
TARGETS = st.lists(st.sets(st.sampled_from(HOSTS), min_size=1), max_size=6)


def groups_of(targets: list[set[str]]) -> list[frozenset[str]]:
    return shares.groups(HOSTS, targets)


@given(TARGETS)
def test_hosts_that_a_deployment_has_in_common_are_in_one_group(targets: list[set[str]]) -> None:
    groups = groups_of(targets)
    assert sorted(host for group in groups for host in group) == sorted(HOSTS)
    for one in targets:
        assert sum(1 for group in groups if not group.isdisjoint(one)) == 1


@given(TARGETS, RECONCILERS)
def test_every_host_is_wanted_by_exactly_one(
    targets: list[set[str]], reconcilers: set[str]
) -> None:
    groups = groups_of(targets)
    wanted = [
        host
        for one in reconcilers
        for host in shares.wanted(groups, holder=one, reconcilers=reconcilers)
    ]
    assert sorted(wanted) == sorted(HOSTS)


@given(TARGETS, RECONCILERS)
def test_whoever_stays_keeps_what_they_have_when_another_leaves(
    targets: list[set[str]], reconcilers: set[str]
) -> None:
    groups = groups_of(targets)
    gone = min(reconcilers)
    left = reconcilers - {gone}
    for one in left:
        before = shares.wanted(groups, holder=one, reconcilers=reconcilers)
        assert before <= shares.wanted(groups, holder=one, reconcilers=left)


def test_nothing_is_planned_for_a_group_that_is_held_in_part() -> None:
    groups = groups_of([{"edge-1", "edge-2"}])
    assert shares.whole(groups, ["edge-1", "edge-3"]) == {"edge-3"}


def test_of_a_host_that_was_gained_others_know_better_and_of_the_rest_we_do() -> None:
    ours = HostRollout(restarts=(Restarted("ours", 1.0),))
    theirs = HostRollout(restarts=(Restarted("theirs", 2.0),))
    entry = Quarantined(
        "revision", WISH.deployments[KEY].spec_on("edge-1", "c1"), "edge-1", "code", "reason", 1.0
    )
    mine = {KEY: Rollout({"edge-1": ours, "edge-2": ours, "edge-3": ours})}
    known = Rollout({"edge-1": theirs, "edge-2": theirs}, quarantined=(entry,))
    taken = shares.taken_over(mine, {KEY: known}, ["edge-1", "edge-3"])
    assert taken == {KEY: Rollout({"edge-1": theirs, "edge-2": ours}, quarantined=(entry,))}


def test_what_only_we_remember_stays() -> None:
    mine = {KEY: Rollout({"edge-1": HostRollout()})}
    assert shares.taken_over(mine, {}, ["edge-1"]) == mine


def test_a_file_that_is_wrong_is_whose_remembers_it_or_the_firsts() -> None:
    wrong = wish({"digits": "kind: Nonsense"}, hosts=["edge-1", "edge-2"])
    remembered = {KEY: Rollout({"edge-1": HostRollout()})}
    assert KEY in wrong.held
    for rollouts, ours, is_first, is_ours in (
        (remembered, ["edge-1"], False, True),
        (remembered, ["edge-2"], True, False),
        ({}, ["edge-2"], True, True),
        ({}, ["edge-2"], False, False),
    ):
        state = shares.restricted(wrong, rollouts, ours, is_first=is_first)
        assert (KEY not in state.elsewhere) is is_ours


def test_others_deployments_are_theirs_to_plan_and_to_report() -> None:
    asked = {"digits": deployment_file("digits", 1, ["edge-1"]),
             "fraud": deployment_file("fraud", 1, ["edge-2"])}  # fmt: skip
    whole = wish(asked, hosts=["edge-1", "edge-2"])
    state = shares.restricted(whole, {}, ["edge-1"], is_first=True)
    observed = {"edge-1": HostState("edge-1", (), (), ingress_ready=False)}
    made = plan(state, observed, {}, 0.0)
    assert {actions.deployment_of(action) for action in made.actions} == {KEY}
    assert made.waits == ()
    assert set(status.documents(state, observed, {}, 0.0)) == {KEY}
