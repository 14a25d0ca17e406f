"""An analysis: what is due when, what a measurement says, when it has failed, and for good."""

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import analysis, analysis_memory
from reconciler.core.analysis import AnalysisRun, Phase
from reconciler.core.measurements import Found, Measurement, NotEnough, Said, Trouble
from registry.core import canonical
from registry.core.canonical import Json
from registry.errors import InvalidInput
from tests.reconciler.core.analysed import COUNTED, RUNTIME, metric, template

START = 1000.0
GOOD, BAD = Found(0.01), Found(0.5)


def begun(more: str = f"{COUNTED}, interval: 10s, count: 3", args: str = "[]") -> AnalysisRun:
    return analysis.begin([template(metric(more=more), args=args)], {}, START)


def after(run: AnalysisRun, measurements: Sequence[Measurement], name: str = "errors") -> Phase:
    return analysis.phase(fed(run, measurements, name)).phase


def fed(run: AnalysisRun, measurements: Sequence[Measurement], name: str = "errors") -> AnalysisRun:
    for at, one in enumerate(measurements):
        run = analysis.record(run, name, one, START + 10 * at)
    return run


def said(more: str, measurement: Measurement, args: str = "[]") -> tuple[Said, str]:
    taken = fed(begun(more, args), [measurement]).metrics[0].taken[0]
    return taken.said, taken.text


def test_it_is_pending_until_measured_then_running_then_successful() -> None:
    run = begun()
    assert analysis.phase(run).phase is Phase.PENDING
    run = analysis.record(run, "errors", GOOD, START)
    assert analysis.phase(run) == analysis.Judgement(Phase.RUNNING, "errors: 1 of 3 measured")
    run = analysis.record(analysis.record(run, "errors", GOOD, START), "errors", GOOD, START)
    assert analysis.phase(run).phase is Phase.SUCCESSFUL
    assert analysis.due(run, math.inf) == ()
    assert analysis.next_at(run) is None


def test_the_first_measurement_is_due_after_the_delay_and_the_next_an_interval_later() -> None:
    run = begun(f"{COUNTED}, initialDelay: 1m, interval: 10s, count: 2")
    assert analysis.due(run, START + 59) == ()
    assert analysis.next_at(run) == START + 60
    assert analysis.due(run, START + 60) == ("errors",)
    run = analysis.record(run, "errors", GOOD, START + 61)
    assert analysis.due(run, START + 70) == ()
    assert analysis.next_at(run) == START + 71


def test_the_first_failure_fails_it_unless_some_are_allowed() -> None:
    assert after(begun(), [GOOD, BAD]) is Phase.FAILED
    lenient = begun(f"{COUNTED}, interval: 10s, count: 3, failureLimit: 1")
    assert after(lenient, [BAD, GOOD]) is Phase.RUNNING
    assert after(lenient, [BAD, GOOD, GOOD]) is Phase.SUCCESSFUL
    assert after(lenient, [BAD, GOOD, BAD]) is Phase.FAILED


def test_a_limit_of_minus_one_is_none() -> None:
    run = begun(f"{COUNTED}, interval: 10s, count: 3, failureLimit: -1")
    assert after(run, [BAD, BAD, BAD]) is Phase.SUCCESSFUL


def test_the_reason_names_metric_count_limit_value_and_condition() -> None:
    assert analysis.phase(fed(begun(), [BAD])).reason == (
        "errors: 1 failed, at most 0 allowed: result 0.5: result < 0.05 is not true"
    )


def test_errors_in_a_row_end_it_and_a_measurement_between_them_begins_anew() -> None:
    trouble = Trouble("no answer")
    assert after(begun(), [trouble] * 4) is Phase.RUNNING
    assert after(begun(), [trouble] * 5) is Phase.ERROR
    assert after(begun(), [*[trouble] * 4, GOOD, *[trouble] * 4]) is Phase.RUNNING


def test_an_error_is_no_measurement_of_the_count() -> None:
    assert after(begun(), [GOOD, Trouble("no answer"), GOOD]) is Phase.RUNNING


def test_an_error_without_an_interval_is_tried_again_in_ten_seconds() -> None:
    run = analysis.record(begun(COUNTED), "errors", Trouble("no answer"), START)
    assert analysis.next_at(run) == START + 10


def test_between_both_conditions_it_is_inconclusive_which_is_not_failed() -> None:
    run = begun("successCondition: result < 0.01, failureCondition: result > 0.1")
    assert after(run, [Found(0.05)]) is Phase.INCONCLUSIVE
    assert after(run, [Found(0.005)]) is Phase.SUCCESSFUL
    assert after(run, [Found(0.2)]) is Phase.FAILED


def test_with_a_failure_condition_alone_its_contrary_is_success() -> None:
    assert said("failureCondition: result > 0.1", Found(0.05))[0] is Said.SUCCESS


def test_where_both_conditions_are_true_it_has_failed() -> None:
    both = "successCondition: result > 0, failureCondition: result > 0"
    assert said(both, Found(1))[0] is Said.FAILURE


def test_too_few_samples_neither_fail_nor_advance_it() -> None:
    quiet = Found(1.0, samples=3)
    run = begun(f"{COUNTED}, interval: 10s, count: 1, minimumSamples: 100")
    assert after(run, [quiet] * 50) is Phase.RUNNING
    assert after(run, [*[quiet] * 50, Found(0.0, samples=100)]) is Phase.SUCCESSFUL
    assert "3 samples, at least 100 are wanted" in analysis.phase(fed(run, [quiet])).reason


def test_a_quiet_service_is_inconclusive_once_it_is_given_up() -> None:
    run = fed(begun(f"{COUNTED}, minimumSamples: 100"), [NotEnough("no requests")] * 9)
    run = analysis.give_up(run, "its deadline has passed")
    judged = analysis.phase(run)
    assert judged.phase is Phase.INCONCLUSIVE
    assert judged.reason == "errors: 9 NotEnough: no requests; its deadline has passed"


def test_samples_add_up_until_a_measurement_was_judged() -> None:
    run = begun(f"{COUNTED}, interval: 10s, count: 9, minimumSamples: 100")
    run = fed(run, [NotEnough("begins", memo={"requests": 5})])
    run = fed(run, [Found(0.0, samples=20, memo={"requests": 25})])
    assert run.metrics[0].memo == {"requests": 5}
    run = fed(run, [Found(0.0, samples=120, memo={"requests": 125})])
    assert run.metrics[0].memo == {"requests": 125}
    assert fed(run, [Trouble("no answer")]).metrics[0].memo == {"requests": 125}


def test_what_runs_beside_the_steps_ends_with_them() -> None:
    run = begun(f"{COUNTED}, interval: 10s")
    assert after(run, [GOOD] * 99) is Phase.RUNNING
    assert analysis.phase(analysis.finish(fed(run, [GOOD]))).phase is Phase.SUCCESSFUL
    assert analysis.phase(analysis.finish(fed(run, [BAD]))).phase is Phase.FAILED


def test_what_was_never_judged_has_not_succeeded_when_the_steps_end() -> None:
    run = analysis.finish(fed(begun(f"{COUNTED}, interval: 10s"), [NotEnough("no requests")]))
    assert analysis.phase(run).phase is Phase.INCONCLUSIVE


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_an_error_and_no_verdict(number: float) -> None:
    for condition in (COUNTED, "failureCondition: result > 0.05"):
        assert said(condition, Found(number)) == (
            Said.ERROR,
            "a number in the result is not finite",
        )
    assert said(COUNTED, Found(0.1, values={"stable": [number]}))[0] is Said.ERROR


@pytest.mark.parametrize(
    ("condition", "result", "why"),
    [
        ("result[0] < 1", [], "Index error: index=0 size=0"),
        ("result < 1", "many", "No matching overloads"),
        ("result.rate < 1", {"ratio": 1}, "Key not found"),
        ("result", 1, "is INT, not BOOL"),
        ("result", "true", "is STRING, not BOOL"),
        ("result < candidate", 1, "candidate"),
        ("result == 'a'", "a\0b", "NUL"),
        ("size(result) > 0", ["x" * 200_000], "at most 131072 are judged"),
    ],
)
def test_what_a_condition_cannot_judge_is_an_error_in_its_own_words(
    condition: str, result: Json, why: str
) -> None:
    what, text = said(f'successCondition: "{condition}"', Found(result))
    assert what is Said.ERROR
    assert why in text


def test_a_long_result_is_judged_and_kept_shortened() -> None:
    run = fed(begun('successCondition: "result.all(x, x < 1)"'), [Found([0.5] * 1000)])
    taken = run.metrics[0].taken[0]
    assert taken.said is Said.SUCCESS
    assert isinstance(taken.value, str)
    assert len(taken.value) == 201


def test_conditions_may_name_samples_arguments_and_both_variants() -> None:
    condition = 'successCondition: "candidate <= stable * double(args.factor) && samples > 10"'
    values: dict[str, Json] = {"candidate": 0.11, "stable": 0.1}
    found = Found(0.11, samples=11, values=values)
    assert said(condition, found, '[{name: factor, value: "1.2"}]')[0] is Said.SUCCESS
    assert said(condition, found, '[{name: factor, value: "1.0"}]')[0] is Said.FAILURE


def test_a_given_argument_comes_before_the_templates_own() -> None:
    one = template(metric(), args='[{name: limit, value: "1"}, {name: other}]')
    assert analysis.begin([one], {"limit": "2", "other": "3"}, START).args == {
        "limit": "2",
        "other": "3",
    }


def test_two_templates_are_one_run_and_its_phase_is_the_worst() -> None:
    one = template(metric("a", COUNTED), name="one")
    two = template(metric("b", "successCondition: result > 1"), name="two")
    run = analysis.begin([one, two], {}, START)
    assert analysis.due(run, START) == ("a", "b")
    run = analysis.record(run, "a", GOOD, START)
    assert analysis.phase(run).phase is Phase.RUNNING
    run = analysis.record(run, "b", Found(0.5), START)
    assert analysis.phase(run).phase is Phase.FAILED
    assert [one.template for one in run.metrics] == ["one", "two"]


def test_a_measurement_that_comes_late_or_of_no_metric_changes_nothing() -> None:
    ended = fed(begun(COUNTED), [GOOD])
    assert analysis.record(ended, "errors", BAD, START) == ended
    assert analysis.record(ended, "others", BAD, START) == ended


def test_a_measurement_for_another_run_or_of_an_earlier_moment_changes_nothing() -> None:
    run = begun()
    late = [("errors", BAD)]
    assert analysis.conclude(run, run, late, START) == fed(run, [BAD])
    moved_on = fed(run, [GOOD])
    assert analysis.conclude(moved_on, run, late, START) == moved_on
    other = analysis.begin([template(metric())], {}, START + 1)
    assert analysis.conclude(other, run, late, START) == other
    assert analysis.conclude(run, run, [("others", BAD)], START) == run


def test_memory_of_another_form_is_refused() -> None:
    document = analysis_memory.document(begun())
    metrics: list[Json] = [{"counts": {}, "metric": {"name": "a"}}]
    with pytest.raises(InvalidInput, match="provider"):
        analysis_memory.read({**document, "metrics": metrics})
    with pytest.raises(InvalidInput, match="expected a number"):
        analysis_memory.read({**document, "beganAt": "now"})


MEASUREMENTS = st.sampled_from(
    [GOOD, BAD, Found(0.07), Trouble("no answer"), NotEnough("none"), Found(math.nan)]
)
RUNS = st.builds(
    lambda failures, unclear, errors, count: begun(
        "successCondition: result < 0.05, failureCondition: result > 0.1, interval: 10s, "
        f"failureLimit: {failures}, inconclusiveLimit: {unclear}, count: {count}, "
        f"consecutiveErrorLimit: {errors}"
    ),
    *[st.integers(-1, 3)] * 3,
    st.integers(1, 6),
)


@given(RUNS, st.lists(MEASUREMENTS, max_size=12))
def test_a_run_that_has_ended_never_gets_better(
    run: AnalysisRun, measurements: list[Measurement]
) -> None:
    seen = [analysis.phase(run).phase]
    for one in measurements:
        run = analysis.record(run, "errors", one, START)
        seen.append(analysis.phase(run).phase)
    seen.append(analysis.phase(analysis.finish(run)).phase)
    for before, then in itertools.pairwise(seen):
        assert then == before or before not in analysis.ENDED


@given(RUNS, st.lists(MEASUREMENTS, max_size=12))
def test_memory_gives_back_what_it_was_given(
    run: AnalysisRun, measurements: list[Measurement]
) -> None:
    run = analysis.give_up(fed(run, measurements), "enough")
    text = canonical.encode(analysis_memory.document(run))
    assert analysis_memory.read(canonical.decode_object(text, what="run")) == run
    assert analysis_memory.evidence(run)["phase"] == analysis.phase(run).phase


@given(st.integers(-1, 3), st.integers(1, 6), st.data())
def test_the_order_of_successes_and_failures_does_not_matter(
    limit: int, count: int, data: st.DataObject
) -> None:
    run = begun(f"{COUNTED}, interval: 10s, count: {count}, failureLimit: {limit}")
    taken = data.draw(st.lists(st.sampled_from([GOOD, BAD]), min_size=count, max_size=count))
    other = data.draw(st.permutations(taken))
    assert after(run, taken) is after(run, other)


@given(st.permutations("abc"), st.tuples(MEASUREMENTS, MEASUREMENTS, MEASUREMENTS))
def test_the_order_in_which_metrics_are_recorded_does_not_matter(
    order: list[str], measured: tuple[Measurement, ...]
) -> None:
    more = "successCondition: result < 0.05, failureCondition: result > 0.1"
    run = analysis.begin([template(*(metric(name, more, RUNTIME) for name in "abc"))], {}, START)
    what = dict(zip("abc", measured, strict=True))
    one, two = run, run
    for name in order:
        one = analysis.record(one, name, what[name], START)
    for name in "abc":
        two = analysis.record(two, name, what[name], START)
    assert one == two


@given(RUNS, st.lists(MEASUREMENTS, max_size=12), st.floats(0, 10_000))
def test_what_is_due_is_due_no_earlier_than_announced(
    run: AnalysisRun, measurements: list[Measurement], later: float
) -> None:
    run = fed(run, measurements)
    at = analysis.next_at(run)
    assert (analysis.due(run, START + later) != ()) is (at is not None and at <= START + later)
