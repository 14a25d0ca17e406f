"""Expressions, variables and messages: whatever goes wrong with them, the answer is no."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from registry.core import entries, policy
from registry.core.canonical import Json
from registry.core.policy import Allowed, Area, Denied
from tests.core.policies import policies, policy_file, together

INPUTS: dict[str, Json] = {
    "deployment": {
        "metadata": {"name": "digits", "labels": {"tier": "critical"}},
        "spec": {"model": {"name": "digits"}},
    },
    "version": {"size": 5},
    "verification": {"publisher": "ada", "signers": ["ada"]},
    "environment": "production",
    "approvers": ["eve"],
    "quarantined": [],
    "now": "2026-06-03T10:00:00Z",
}


def asked(**more: Any) -> policy.Request:
    return policy.request(Area.DEPLOY, {**INPUTS, **more})


def reasons(found: policy.PolicySet, **more: Any) -> tuple[str, ...]:
    match policy.decide(found, asked(**more)):
        case Allowed():
            return ()
        case Denied() as denied:
            return denied.reasons


def test_a_variable_is_known_to_those_below_it_and_to_the_expressions() -> None:
    variables = {"one": "1", "two": "variables.one + 1", "size": "size(verification.signers)"}
    assert reasons(policies("variables.size < variables.two", variables=variables)) == ()
    assert reasons(policies("variables.size == variables.two", variables=variables)) != ()


def test_a_variable_that_ends_in_an_error_denies_where_it_is_needed_and_says_which() -> None:
    found = policies("variables.x == 1", variables={"x": "verification.nothing"})
    assert reasons(found) == (
        'policy p: because variables.x == 1 (variables.x: Key not found in map : "nothing")',
    )


def test_a_variable_that_ends_in_an_error_does_no_harm_where_it_is_not_needed() -> None:
    variables = {"x": "1 / size(quarantined) == 1"}
    assert reasons(policies("size(quarantined) == 0 || variables.x", variables=variables)) == ()
    assert reasons(policies("version.size == 5", variables=variables)) == ()


@pytest.mark.parametrize(
    "expression",
    ["1 / 0", "[1, 2][5]", "{'a': 1}['b']", "timestamp('yesterday')", "quantity('much')"],
)
def test_a_constant_that_ends_in_an_error_denies(expression: str) -> None:
    assert reasons(policies("variables.x == variables.x", variables={"x": expression})) != ()


def test_a_comment_at_the_end_of_an_expression_hides_nothing() -> None:
    assert reasons(policies("true // yes", "version.size == 5 // five")) == ()
    assert reasons(policies("true // yes", "version.size == 6 // six")) != ()


def test_all_that_is_not_true_is_told_at_once() -> None:
    found = policies("false", "true", "version.size > 9", "verification.nothing == 1")
    assert [line.split(" (")[0] for line in reasons(found)] == [
        "policy p: because false",
        "policy p: because version.size > 9",
        "policy p: because verification.nothing == 1",
    ]


def test_a_message_can_be_made_of_the_input() -> None:
    more = "\n      messageExpression: '\"found \" + string(version.size)'"
    assert reasons(policies("version.size > 9", more=more)) == ("policy p: found 5",)


@pytest.mark.parametrize(
    "expression", ['"found " + verification.nothing', "verification.signers", '""', '"  \\n "']
)
def test_a_message_that_cannot_be_made_leaves_the_written_one(expression: str) -> None:
    more = f"\n      messageExpression: '{expression}'"
    if expression == "verification.signers":
        more = '\n      messageExpression: \'verification.signers[0] == "" ? "" : ""\''
    assert reasons(policies("version.size > 9", more=more)) == (
        "policy p: because version.size > 9",
    )


def test_a_message_is_one_line_and_has_an_end() -> None:
    more = "\n      messageExpression: '\"a\\nb \" + verification.publisher'"
    (said,) = reasons(policies("false", more=more), verification={"publisher": "x" * 10_000})
    assert said.startswith("policy p: a b xxx")
    assert len(said) < 600


def test_the_word_for_machines_comes_with_the_refusal() -> None:
    decision = policy.decide(policies("false", more="\n      reason: TooLarge"), asked())
    assert isinstance(decision, Denied)
    assert decision.refusals[0].reason == "TooLarge"
    silent = policy.decide(policy.PolicySet(()), asked())
    assert isinstance(silent, Denied)
    assert silent.refusals[0].reason == "NoPolicy"


@pytest.mark.parametrize(
    ("match", "counts"),
    [
        ("models: [digits]", True),
        ("models: [fraud, 'dig*']", True),
        ("models: [digit]", False),
        ("models: ['?']", False),
        ("environments: [staging, production]", True),
        ("environments: [staging]", False),
        ("labels: {tier: critical}", True),
        ("labels: {tier: demo}", False),
        ("labels: {tier: critical, team: risk}", False),
        ("models: [digits], environments: [staging]", False),
    ],
)
def test_a_policy_counts_where_all_that_it_matches_fits(match: str, counts: bool) -> None:
    found = together(policies("true", name="all"), policies("false", match=match))
    assert bool(reasons(found)) is counts


def test_an_area_does_not_see_what_another_decides() -> None:
    found = together(policies("true"), policies("false", area=Area.PROMOTE))
    assert reasons(found) == ()


def test_where_planning_has_no_policy_nothing_is_held_back() -> None:
    wanted = policy.request(Area.PLAN, INPUTS)
    assert policy.decide(policy.PolicySet(()), wanted) == Allowed(())


@pytest.mark.parametrize("area", [Area.PUBLISH, Area.DEPLOY, Area.PROMOTE])
def test_where_an_area_has_no_policy_it_denies(area: Area) -> None:
    decision = policy.decide(policy.PolicySet(()), policy.request(area, INPUTS))
    assert isinstance(decision, Denied)
    assert f"policies/{area}/" in decision.reasons[0]


HUGE: Mapping[str, Json] = {
    "many files": {"files": [{"path": f"w/{n}", "size": n} for n in range(20_000)]},
    "a long text": {"note": "é" * 1_000_000},
    "beyond 64 bits": {"number": 2**70},
    "another plane": {"note": "🚢 ﷽ \u202e"},
}


@pytest.mark.parametrize("name", HUGE)
def test_odd_input_breaks_nothing_that_does_not_look_at_it(name: str) -> None:
    assert reasons(policies('verification.publisher == "ada"'), version=HUGE[name]) == ()


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("many files", "version.files.all(a, version.files.all(b, a != b))"),
        ("many files", "version.files.map(f, version.files).size() < 0"),
        ("beyond 64 bits", "version.number > 0"),
    ],
)
def test_odd_input_denies_where_it_is_looked_at(name: str, expression: str) -> None:
    assert reasons(policies(expression), version=HUGE[name]) != ()


def test_text_is_compared_as_it_is() -> None:
    assert reasons(policies('version.note == "a 🚢"'), version={"note": "a 🚢"}) == ()
    assert reasons(policies('version.note == "é"'), version={"note": "e\u0301"}) != ()


@pytest.mark.parametrize(
    "version",
    [
        {"licence": "MIT\x00 but only on Sundays"},
        {"tags": {"a\x00b": "x"}},
        {"note": "half a character: \ud800"},
        {"number": float("nan")},
    ],
)
def test_input_that_cel_would_read_otherwise_denies_whatever_the_rule(version: Any) -> None:
    """CEL's library ends a text at its first NUL: a licence would become another one."""
    (said,) = reasons(policies("true"), version=version)
    assert said.startswith("the input cannot be judged: ")


def test_a_text_that_only_writes_of_a_nul_is_fine() -> None:
    assert reasons(policies("true"), version={"note": "\\u0000"}) == ()
    assert reasons(policies("true"), version={"note": "\\\x00"}) != ()


@pytest.mark.parametrize(
    "expression",
    [
        "version.text.matches('(a+)+$')",
        "version.text.matches('(')",
        "[[1,2,3,4,5,6,7,8,9]].exists(x, x.all(a, x.all(b, x.all(c, x.all(d, x.all(e, a > 0))))))",
    ],
)
def test_what_would_run_for_ever_elsewhere_comes_back(expression: str) -> None:
    assert reasons(policies(expression), version={"text": "a" * 50_000 + "b"}) != ()


@pytest.mark.parametrize("now", ["", "noon", "2026-06-03T10:00:00", "2026-13-01T00:00:00Z", None])
def test_a_time_that_is_none_denies(now: str | None) -> None:
    assert reasons(policies("now > timestamp(0)"), now=now) != ()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), True),  # 01:59, then the clocks go forward
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), False),  # 03:00
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), False),  # 02:30, summer time
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), False),  # 02:30 again, winter time
        (datetime(2026, 10, 24, 23, 59, tzinfo=UTC), True),  # 01:59
    ],
)
def test_hours_are_those_of_the_zone_on_that_day(moment: datetime, is_open: bool) -> None:
    found = policies('now.getHours("Europe/Berlin") < 2')
    assert (reasons(found, now=moment.isoformat()) == ()) is is_open


@pytest.mark.parametrize("zone", ["Nowhere/Land", "Europe/Berlin; true"])
def test_a_zone_that_nobody_knows_denies(zone: str) -> None:
    found = policies(f'now.getHours("{zone}") >= -1')
    assert "Invalid timezone" in reasons(found)[0]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512Ki", 512 << 10), ("512Mi", 512 << 20), ("8Gi", 8 << 30)],
)
def test_sizes_are_read_as_deployments_write_them(text: str, size: int) -> None:
    assert reasons(policies(f'quantity("{text}") == {size}')) == ()


@pytest.mark.parametrize("text", ["", "512", "512MB", "0Mi", "-1Gi", "1.5Gi", "99999999Gi"])
def test_what_is_no_size_is_an_error(text: str) -> None:
    assert "is not a size such as 512Mi" in reasons(policies(f'quantity("{text}") >= 0'))[0]


def test_threads_that_decide_at_once_get_their_own_answers() -> None:
    found = policies("version.size % 2 == 0", "verification.signers.exists(s, s == 'ada')")
    wrong: list[int] = []

    def decide(size: int) -> None:
        for _ in range(200):
            is_allowed = not reasons(found, version={"size": size})
            if is_allowed is not (size % 2 == 0):
                wrong.append(size)

    threads = [threading.Thread(target=decide, args=(size,)) for size in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_record_fits_into_the_log_however_much_there_is_to_say() -> None:
    rules = [f"version.size == {number}" for number in range(100, 150)]
    many = together(
        *(policies(*rules, name=f"p{number}", mode="audit") for number in range(20)),
        *(policies(*rules, name=f"q{number}") for number in range(20)),
    )
    wanted = asked()
    detail = policy.record(policy.decide(many, wanted), many, wanted)
    entry = entries.Entry(
        "2026-06-03T10:00:00Z", entries.Kind.DECIDED, "reconciler:r", detail=detail
    )
    assert len(entries.encode(entry)) < entries.LEAF_LIMIT
    assert detail["result"] == "denied"


def test_a_record_names_its_input_without_the_time() -> None:
    found = policies("true")
    first, later, other = (
        policy.record(policy.decide(found, wanted), found, wanted)["input"]
        for wanted in (asked(), asked(now="2027-01-01T00:00:00Z"), asked(environment="staging"))
    )
    assert first == later
    assert first != other


def test_every_byte_of_a_policy_that_means_something_is_in_its_digest() -> None:
    path, text = "policies/deploy/p.yaml", policy_file("version.size == 5", "environment != ''")
    whole = policy.read({path: text.encode()})
    assert whole.problems == ()
    for place in range(len(text)):
        for put in ("x", "0", " "):
            changed = f"{text[:place]}{put}{text[place + 1 :]}".encode()
            found = policy.read({path: changed})
            is_same = not found.problems and [rule.policy for rule in found.policies.rules] == [
                rule.policy for rule in whole.policies.rules
            ]
            assert is_same is (found.policies.digest == whole.policies.digest)


def test_a_member_of_an_enum_is_the_text_that_it_is() -> None:
    found = policies('version.area == "deploy"')
    assert reasons(found, version={"area": Area.DEPLOY}) == ()
