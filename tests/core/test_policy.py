"""Policies decide closed: no policy, an error or anything but true is a refusal."""

import pytest

from registry.core import policy
from registry.core.documents import Problem
from registry.core.policy import Allowed, Area, Denied, Refusal, testing
from registry.core.policy.testing import Coverage
from tests.core.policies import policies


def broken(path: str) -> Problem:
    return Problem(path, 3, 7, "odd")


REQUEST = policy.request(
    Area.DEPLOY,
    {
        "deployment": {"metadata": {"name": "digits"}, "spec": {"acceptance": []}},
        "version": {"size": 5, "note": "text", "nothing": None, "list": [1, "a", 2.5]},
        "verification": {"publisher": "ada"},
        "environment": "production",
    },
)


def test_no_policy_at_all_denies_and_says_what_to_add() -> None:
    decision = policy.decide(policy.PolicySet(()), REQUEST)
    assert isinstance(decision, Denied)
    assert decision.reasons == (
        "no policy allows this in production; add one under policies/deploy/ with mode: enforce",
    )


def test_what_is_true_is_allowed() -> None:
    assert policy.decide(policies("version.size < 10"), REQUEST) == Allowed(("p",))


def test_what_is_false_is_denied_with_the_policys_message() -> None:
    decision = policy.decide(policies("version.size < 5"), REQUEST)
    assert decision == Denied((Refusal("p", "because version.size < 5"),))
    assert decision.reasons == ("policy p: because version.size < 5",)


@pytest.mark.parametrize(
    "expression",
    [
        "version.missing == 1",
        "1 / 0 == 1",
        "version.note",
        "version.size",
        "version.nothing",
        "version.note > 3",
        "version.list[7] == 1",
        "!version.missing",
        "version.missing || version.absent",
        "size(quarantined) == 0",
        "now > timestamp(0)",
    ],
)
def test_an_expression_that_ends_in_an_error_or_another_type_denies(expression: str) -> None:
    assert isinstance(policy.decide(policies(expression), REQUEST), Denied)


def test_a_runaway_expression_denies_and_comes_back() -> None:
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    bomb = "true"
    for depth in range(9):
        bomb = f"{ten}.all(x{depth}, {bomb})"
    assert isinstance(policy.decide(policies(bomb), REQUEST), Denied)


def test_a_policy_for_another_environment_allows_nothing_here() -> None:
    found = policies("true", match="environments: [staging]")
    assert isinstance(policy.decide(found, REQUEST), Denied)


def test_an_audited_policy_reports_but_neither_allows_nor_denies() -> None:
    assert isinstance(policy.decide(policies("true", mode="audit"), REQUEST), Denied)
    both = policy.PolicySet((*policies("true").rules, *policies("false", mode="audit").rules))
    assert policy.decide(both, REQUEST) == Allowed(("p",), (Refusal("p", "because false"),))


def test_a_policy_file_that_cannot_be_read_denies_everything() -> None:
    found = policy.PolicySet(policies("true").rules, broken=(broken("policies/deploy/q.yaml"),))
    decision = policy.decide(found, REQUEST)
    assert isinstance(decision, Denied)
    assert decision.reasons == ("a policy file is broken: policies/deploy/q.yaml:3:7: odd",)


def test_a_broken_file_stops_its_own_area_and_one_outside_all_areas_stops_them_all() -> None:
    elsewhere = policy.PolicySet(
        policies("true").rules, broken=(broken("policies/publish/q.yaml"),)
    )
    assert isinstance(policy.decide(elsewhere, REQUEST), Allowed)
    nowhere = policy.PolicySet(policies("true").rules, broken=(broken("policies/depoly/q.yaml"),))
    assert isinstance(policy.decide(nowhere, REQUEST), Denied)


def test_the_digest_changes_with_any_policy() -> None:
    digests = {
        policies("true").digest,
        policies("false").digest,
        policies("true", mode="audit").digest,
        policies("true", area=Area.PLAN).digest,
        policy.PolicySet(()).digest,
        policy.PolicySet((), broken=(broken("x"),)).digest,
    }
    assert len(digests) == 6


TEST = """\
apiVersion: plimsoll.dev/v1
kind: PolicyTest
spec:
  policy: p
  base: {{environment: production, version: {{size: 3}}}}
  cases: [{cases}]
"""
POLICY = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: p}
spec: {mode: audit, validations: [{expression: version.size < 5, message: too large}]}
"""
GOOD = "{name: small, input: {}, expect: allowed}"
LARGE = "{name: large, input: {version: {size: 9}}, expect: denied, message: too large}"


def report(cases: str) -> testing.Report:
    files = {
        "policies/deploy/p.yaml": POLICY,
        "policies/deploy/p_test.yaml": TEST.format(cases=cases),
    }
    found = policy.read({path: text.encode() for path, text in files.items()})
    assert found.problems == ()
    return testing.run(found.policies, found.tests)


def test_tests_that_see_each_expression_true_and_false_cover_a_policy() -> None:
    found = report(f"{GOOD}, {LARGE}")
    assert found.passed
    assert found.percent == 100


def test_an_expression_never_seen_false_is_a_gap() -> None:
    found = report(GOOD)
    gap = Coverage("policies/deploy/p.yaml", "version.size < 5", seen_true=True, seen_false=False)
    assert found.gaps == (gap,)
    assert found.percent == 50
    assert not found.passed


@pytest.mark.parametrize(
    ("case", "trouble"),
    [
        ("{name: x, input: {}, expect: denied}", "allowed, expected was denied"),
        ("{name: x, input: {version: {size: 9}}, expect: allowed}", "denied (policy p: too large)"),
        ("{name: x, input: {version: {size: 9}}, expect: denied, message: old}", "denied because"),
    ],
)
def test_a_case_that_ends_otherwise_is_told_apart(case: str, trouble: str) -> None:
    assert report(case).results[0].trouble.startswith(trouble)
