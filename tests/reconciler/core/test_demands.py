"""What must be shown of a version before Git is told of it."""

from dataclasses import replace

import pytest

from reconciler.core import demands
from reconciler.core.kinds.demand import Demand
from tests.core.test_policy_facts import VERIFIED

TESTED = 'evidence.exists(e, e.kind == "test-result" && e.passed)'


def said(expression: str, **changed: object) -> list[str]:
    asked = Demand(expression=expression, message="not shown")
    return list(demands.lacking([asked], replace(VERIFIED, **changed)))  # type: ignore[arg-type]


def test_what_is_shown_is_enough_and_what_is_not_is_said() -> None:
    assert said('verification.publisher == "ada"') == []
    assert said('verification.publisher == "mallory"') == ["not shown"]
    assert said(TESTED, evidence=()) == ["not shown"]


@pytest.mark.parametrize("expression", ["verification.nothing.there", "verification.publisher"])
def test_an_error_and_what_is_no_boolean_are_not_true(expression: str) -> None:
    (text,) = said(expression)
    assert text.startswith("not shown (")


def test_what_cel_would_read_only_to_its_first_nul_is_not_judged() -> None:
    assert said("true", licence="MIT\0, but not for you") == [
        "not shown (a text in its evidence cannot be judged)"
    ]
    assert said("true") == []
