"""What holds for all policies: silence denies, errors deny, and more rules never allow more."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.core import policy
from registry.core.canonical import Json
from registry.core.policy import Allowed, Area, Denied, PolicySet
from registry.core.policy.areas import VARIABLES
from tests.core.policies import policies, together

# Compiling takes a while, on a busy machine above all.
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

INPUTS: dict[str, Json] = {
    "deployment": {"metadata": {"labels": {"tier": "demo"}}, "spec": {"model": {"name": "digits"}}},
    "version": {"model": "digits", "size": 5},
    "verification": {"publisher": "ada", "signers": ["ada"]},
    "environment": "production",
    "approvers": ["eve"],
    "quarantined": [],
    "now": "2026-06-03T10:00:00Z",
    "alias": "champion",
    "previous": 1,
    "caller": {"role": "publisher", "name": "ci", "actor": "publisher:ci"},
}

_TRUE = ["true", "version.size == 5", "'ada' in verification.signers", "has(version.size)"]
_FALSE = ["false", "version.size > 5", "'eve' in verification.signers", "has(version.note)"]
_ERRORS = ["version.note == 1", "version.size", "1 / 0 == 1", "verification.signers[7] == 'a'"]
claims = st.recursive(
    st.sampled_from([*_TRUE, *_FALSE, *_ERRORS]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
            lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"
        ),
        inner.map(lambda one: f"!({one})"),
    ),
    max_leaves=4,
)
matches = st.sampled_from(["", "environments: [production]", "models: [fraud]", "models: ['d*']"])
modes = st.sampled_from(["enforce", "audit"])


drawn = st.tuples(st.lists(claims, min_size=1, max_size=3), matches, modes)
Drawn = tuple[list[str], str, str]


def made(*many: Drawn, mode: str = "") -> PolicySet:
    """A policy of the area deploy for each; those of `mode` only, where one is given."""
    return together(
        *(
            policies(*([one for one in listed if _is_sound(one)] or ["true"]), match=m, mode=is_a)
            for listed, m, is_a in many
            if mode in ("", is_a)
        )
    )


def _is_sound(expression: str) -> bool:
    try:
        policies(expression)
    except AssertionError:
        return False
    return True


def asked(area: Area = Area.DEPLOY) -> policy.Request:
    return policy.request(area, {name: INPUTS[name] for name in VARIABLES[area]})


@RELAXED
@given(st.lists(drawn, max_size=3))
def test_what_is_allowed_was_allowed_by_each_of_those_that_enforce(many: list[Drawn]) -> None:
    whole = made(*many)
    wanted = asked()
    enforcing = [
        rule
        for rule in whole.rules
        if rule.policy.spec.mode == "enforce" and policy.covers(rule, wanted)
    ]
    all_true = all(
        seen.result is True for rule in enforcing for seen in policy.evaluate(rule, wanted)
    )
    is_allowed = isinstance(policy.decide(whole, wanted), Allowed)
    assert is_allowed is (bool(enforcing) and all_true)


@RELAXED
@given(st.lists(drawn, max_size=3))
def test_where_none_enforces_nothing_is_allowed(many: list[Drawn]) -> None:
    auditing = made(*many, mode="audit")
    assert isinstance(policy.decide(auditing, asked()), Denied)


@RELAXED
@given(st.lists(drawn, min_size=1, max_size=3), drawn)
def test_one_more_policy_never_allows_what_was_denied(many: list[Drawn], one: Drawn) -> None:
    """But the first of them: where no policy enforces, silence was the reason."""
    whole, wanted = made(*many), asked()
    before = policy.decide(whole, wanted)
    if isinstance(before, Denied) and before.refusals[0].reason != "NoPolicy":
        assert isinstance(policy.decide(together(whole, made(one)), wanted), Denied)


@RELAXED
@given(st.lists(drawn, max_size=2), drawn)
def test_a_policy_that_audits_changes_no_decision(many: list[Drawn], one: Drawn) -> None:
    whole, wanted = made(*many), asked()
    watching = made(one, mode="audit")
    assert type(policy.decide(whole, wanted)) is type(
        policy.decide(together(whole, watching), wanted)
    )


@RELAXED
@given(claims)
def test_an_expression_that_is_not_true_gives_a_reason(claim: str) -> None:
    if not _is_sound(claim):
        return
    found, wanted = policies(claim), asked()
    (seen,) = policy.evaluate(found.rules[0], wanted)
    match policy.decide(found, wanted):
        case Allowed():
            assert seen.result is True
        case Denied() as denied:
            assert seen.result is not True
            assert denied.reasons[0].startswith(f"policy p: because {claim}")


@RELAXED
@given(st.sampled_from(Area), st.data())
def test_an_input_that_is_missing_denies_where_it_is_needed(
    area: Area, data: st.DataObject
) -> None:
    missing = data.draw(st.sampled_from(sorted(VARIABLES[area])))
    inputs = {name: INPUTS[name] for name in VARIABLES[area] if name != missing}
    found = policies(f"{missing} == {missing}", area=area)
    assert isinstance(policy.decide(found, asked(area)), Allowed)
    assert isinstance(policy.decide(found, policy.request(area, inputs)), Denied)


@RELAXED
@given(st.text(max_size=80))
def test_whatever_stands_in_an_expression_is_refused_or_decides(text: str) -> None:
    quoted = text.replace("'", "''")
    file = (
        "apiVersion: plimsoll.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  mode: enforce\n"
        f"  validations: [{{expression: '{quoted}', message: never}}]\n"
    )
    try:
        data = file.encode()
    except UnicodeEncodeError:
        return
    found = policy.read({"policies/deploy/p.yaml": data})
    decision = policy.decide(found.policies, asked())
    assert found.problems == () or isinstance(decision, Denied)
    assert all(problem.fix for problem in found.problems)
