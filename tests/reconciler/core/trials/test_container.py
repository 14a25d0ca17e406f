"""What a test in a container may say, and how the rest of what it does is taken."""

import json
from typing import Any

import pytest

from reconciler.core.kinds.trials import Container
from reconciler.core.trials import container
from reconciler.core.trials.container import CONTRACT, Ended
from registry import errors

SPEC = Container(image="team/checks:3", memory="64Mi", timeout="30s")


def result(**said: Any) -> bytes:
    document = {"contract": CONTRACT, "passed": True, "metrics": {"seen": 12}, **said}
    return json.dumps(document).encode()


NO = {"passed": False, "reasons": ["too bold on edges"]}


def test_a_result_and_its_exit_code_decide() -> None:
    passed = container.judged(SPEC, Ended(0, result()))
    assert (passed.reasons, passed.metrics) == ((), {"seen": 12.0})
    assert container.judged(SPEC, Ended(1, result(**NO))).reasons == ("too bold on edges",)


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (Ended(None, result()), "the test did not end within 30s"),
        (Ended(137, b"", is_out_of_memory=True), "the test ran out of its memory of 64Mi"),
        (Ended(137, result()), "exit code 137 (killed), and only 0 and 1 decide"),
        (Ended(2, result(), "Traceback\x1b[31m\nKeyError"), "said last: Traceback [31m KeyError"),
        (Ended(0, result(**NO)), "exit code 0, and its result says that it failed"),
        (Ended(1, result()), "exit code 1, and its result says that it passed"),
        (Ended(0, b""), "but its result is not valid JSON"),
    ],
)
def test_a_test_that_does_not_keep_the_contract_says_no(ended: Ended, why: str) -> None:
    [reason] = container.judged(SPEC, ended).reasons
    assert why in reason


def test_a_test_may_ask_to_be_run_again() -> None:
    with pytest.raises(errors.Unavailable, match="asks to be run again; it said last: no licence"):
        container.judged(SPEC, Ended(75, b"", "no licence\n"))


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"[]", "must be a JSON object"),
        (b"{" * 100_000, "not valid JSON"),
        (b'{"a": 1, "a": 2}', "appears twice"),
        (b"\xff\xfe", "not valid JSON"),
        (result() + b"done\n", "not valid JSON"),
        (b" " * (container.OUTPUT_LIMIT + 1), "more than 256 KiB"),
        (result(contract="other/v9"), "of the contract 'other/v9'"),
        (result(passed="yes"), "'passed' must be true or false"),
        (result(passed=False), "has to give reasons"),
        (result(reasons=["but"]), "has to give reasons"),
        (result(verdict="good"), "unknown field 'verdict'"),
        (result(passed=False, reasons="no"), "'reasons' must be a list"),
        (result(passed=False, reasons=[1]), "at most 20 texts"),
        (result(passed=False, reasons=["\x1b\x07 "]), "at most 20 texts"),
        (result(passed=False, reasons=["no"] * 21), "at most 20 texts"),
        (result(passed=False, reasons=["x" * 501]), "more than 500 characters"),
        (result(metrics={"a": "1"}), "metric 'a' is no number"),
        (result(metrics={"a": True}), "metric 'a' is no number"),
        (result(metrics={"a": 10**400}), "metric 'a' is no number"),
        (result(metrics={"a b": 1}), "metric 'a b' is no number"),
        (result(metrics={"\u202ea": 1}), "metric 'a' is no number of that name"),
        (result(metrics={f"m{place}": 1 for place in range(101)}), "at most 100 are kept"),
        (result(metrics={"a": 1}).replace(b"1", b"NaN"), "not valid JSON"),
    ],
)
def test_hostile_or_careless_output_is_refused(output: bytes, why: str) -> None:
    with pytest.raises(errors.InvalidInput) as raised:
        container.read(output)
    assert why in raised.value.detail


def test_what_it_says_is_shown_on_one_line_without_controls() -> None:
    said = {"passed": False, "reasons": ["a\x1b[2J\nb\u202ec\u0000"]}
    assert container.read(result(**said)).reasons == ("a [2J b c",)


def test_the_container_is_told_whom_to_ask_and_how() -> None:
    spec = Container(image="team/checks:3", parameters={"least": 0.9})
    told = container.told(
        spec, url="http://candidate:8501", model="digits", version=7, digest="sha256:1"
    )
    assert told["predict"] == "http://candidate:8501/v1/models/digits/versions/7:predict"
    assert told["parameters"] == {"least": 0.9}


@pytest.mark.parametrize("timeout", ["0s", "11m"])
def test_a_time_that_no_test_should_take_is_refused(timeout: str) -> None:
    with pytest.raises(ValueError, match="is not between 1s and 10m"):
        Container(image="team/checks:3", timeout=timeout)
