"""Every pair of a state and an event, and what no order of events may bring about."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.kinds.strategy import Strategy
from reconciler.core.observed import Sticky, StickyBy
from reconciler.core.strategies import progress as memory
from reconciler.core.strategies import table
from reconciler.core.strategies.program import End, Promote, compiled, observing, share_at
from reconciler.core.strategies.progress import Progress, State
from reconciler.core.strategies.table import TABLE, Event, Move

_ANALYSIS = {"templates": [{"templateName": "latency"}]}
_STEPS = [
    {"setWeight": 10},
    {"pause": {"duration": "60s"}},
    {"setHeaderRoute": {"match": [{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]}},
    {"analysis": _ANALYSIS},
    {"setMirrorRoute": {"percentage": 20}},
    {"pause": {}},
]
PROGRAMS = {
    name: compiled(Strategy.model_validate({name: given}))
    for name, given in {
        "rolling": {},
        "inPlace": {},
        "blueGreen": {"prePromotionAnalysis": _ANALYSIS, "postPromotionAnalysis": _ANALYSIS},
        "canary": {"steps": _STEPS, "analysis": {**_ANALYSIS, "startingStep": 1}},
        "abTest": {"sticky": {"cookie": "side"}, "steps": _STEPS},
        "shadow": {"duration": "5m", "analysis": _ANALYSIS, "onSuccess": "end"},
    }.items()
}


PROGRAMS["experiment"] = observing(20, Sticky(StickyBy.COOKIE, "side"), 30)
_ELSEWHERE = {State.ENDED: "shadow", State.OBSERVING: "experiment"}


def at(state: State) -> Progress:
    """A rollout in `state`, in the program of a canary, of a shadow or of an experiment."""
    program = PROGRAMS[_ELSEWHERE.get(state, "canary")]
    for index in range(len(program.steps) + 1):
        found = table.begin(program, "r", 0.0, at=index)
        if found.state is state:
            return found
    held = table.begin(program, "r", 0.0, at=1)
    event = Event.PAUSE if state is State.HELD else Event.ABORT
    return table.step(program, held, event, 1.0, reason="why")


def test_every_pair_of_state_and_event_is_named() -> None:
    assert set(TABLE) == set(product(State, Event))


@pytest.mark.parametrize(("state", "event"), sorted(TABLE))
def test_each_pair_does_what_its_move_says(state: State, event: Event) -> None:
    before = at(state)
    assert before.state is state
    program = PROGRAMS[_ELSEWHERE.get(state, "canary")]
    after = table.step(program, before, event, 9.0, reason="because")
    match TABLE[state, event]:
        case Move.STAY:
            assert after == before
        case Move.NEXT:
            assert (after.index, after.since) == (before.index + 1, 9.0)
        case Move.AGAIN:
            assert (after.index, after.since) == (before.index, 9.0)
            assert after.state is not State.HELD
        case Move.FINISH:
            assert isinstance(program.steps[after.index], Promote)
            assert after.state is State.PROMOTING
        case Move.RESTART:
            assert after.index == (program.promotes_at if before.has_switched else 0)
        case Move.HOLD:
            assert (after.state, after.index, after.reason) == (State.HELD, before.index, "because")
        case Move.ABORT:
            assert (after.state, after.index, after.code) == (State.ABORTED, before.index, event)


def test_whatever_fails_or_is_aborted_before_the_end_goes_back() -> None:
    for state in set(State) - {State.DONE, State.ENDED, State.ABORTED}:
        assert TABLE[state, Event.ABORT] is Move.ABORT
        assert TABLE[state, Event.SICKENED] is Move.ABORT
    assert {TABLE[State.ABORTED, event] for event in Event} == {Move.STAY}


def test_no_conclusion_never_moves_traffic() -> None:
    assert {TABLE[state, Event.INCONCLUSIVE] for state in State} == {Move.STAY, Move.HOLD}


@given(st.sampled_from(sorted(PROGRAMS)), st.lists(st.sampled_from(list(Event)), max_size=40))
def test_no_order_of_events_leaves_the_program_or_comes_back_from_an_abort(
    name: str, events: list[Event]
) -> None:
    program = PROGRAMS[name]
    found = table.begin(program, "r", 0.0)
    for number, event in enumerate(events):
        before, found = found, table.step(program, found, event, float(number))
        assert 0 <= found.index <= len(program.steps)
        assert found.has_switched == (found.index >= program.promotes_at)
        assert not (before.state is State.ABORTED and found != before)
        assert not (before.has_switched and not found.has_switched)
        assert memory.read(memory.document(found)) == found


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_nothing_is_shared_once_all_traffic_has_moved_or_the_candidate_leaves(name: str) -> None:
    program = PROGRAMS[name]
    for index, step in enumerate(program.steps):
        is_over = index >= program.promotes_at or isinstance(step, End)
        assert (share_at(program, index, "i") is None) or not is_over
    assert program.shares == (name in ("canary", "abTest", "shadow", "experiment"))


def test_what_was_set_before_stays_in_force_beside_what_is_set_now() -> None:
    share = share_at(PROGRAMS["canary"], 4, "candidate")
    assert share is not None
    assert (share.weight, share.mirror) == (10, 20)
    assert [header.name for header in share.headers] == ["x-beta"]
