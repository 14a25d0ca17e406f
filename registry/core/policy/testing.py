"""Runs the tests that stand beside policies, and counts what they have seen.

A policy is covered when each of its expressions was seen both true and false: an expression
that was never false has never been shown to refuse anything.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from registry.core import canonical
from registry.core.policy import deciding
from registry.core.policy.areas import Request, request
from registry.core.policy.deciding import Allowed, Denied
from registry.core.policy.kinds import PolicyCase, PolicyTest
from registry.core.policy.rules import PolicySet, Rule

Outcomes = dict[int, set[bool]]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case; `trouble` says how the decision differs from what was expected."""

    path: str
    case: str
    trouble: str = ""

    @property
    def passed(self) -> bool:
        """Whether the decision was the one expected."""
        return not self.trouble


@dataclass(frozen=True, slots=True)
class Coverage:
    """One expression, and whether the cases have seen it true, and false."""

    path: str
    expression: str
    seen_true: bool
    seen_false: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """What no case has shown."""
        seen = {"true": self.seen_true, "false": self.seen_false}
        return tuple(word for word, is_seen in seen.items() if not is_seen)


@dataclass(frozen=True, slots=True)
class Report:
    """All cases, and all expressions."""

    results: tuple[CaseResult, ...]
    coverage: tuple[Coverage, ...]

    @property
    def gaps(self) -> tuple[Coverage, ...]:
        """The expressions that were not seen both true and false."""
        return tuple(one for one in self.coverage if one.missing)

    @property
    def percent(self) -> int:
        """How much of true and false was seen, rounded down: 100 means all of it."""
        wanted = 2 * len(self.coverage)
        found = wanted - sum(len(one.missing) for one in self.coverage)
        return 100 * found // wanted if wanted else 100

    @property
    def passed(self) -> bool:
        """Whether every case passed and every expression was seen true and false."""
        return not self.gaps and all(result.passed for result in self.results)


def run(policies: PolicySet, tests: Mapping[str, PolicyTest]) -> Report:
    """Every test (by its path) against the policy beside it."""
    results: list[CaseResult] = []
    coverage: list[Coverage] = []
    for rule in policies.rules:
        path = f"{rule.path.removesuffix('.yaml')}_test.yaml"
        seen: Outcomes = defaultdict(set)
        if path in tests:
            results += _cases(rule, path, tests[path], seen)
        coverage += [
            Coverage(rule.path, validation.expression, True in seen[index], False in seen[index])
            for index, validation in enumerate(rule.policy.spec.validations)
        ]
    known = {rule.path for rule in policies.rules}
    for path in sorted(tests):
        if f"{path.removesuffix('_test.yaml')}.yaml" not in known:
            results.append(CaseResult(path, "", "there is no good policy beside it"))
    return Report(tuple(results), tuple(coverage))


def _cases(rule: Rule, path: str, test: PolicyTest, seen: Outcomes) -> list[CaseResult]:
    enforcing = PolicySet((_enforcing(rule),))
    results = []
    for case in test.spec.cases:
        wanted = _request(rule, _merged(test.spec.base, case.input))
        for outcome in deciding.evaluate(rule, wanted):
            if outcome.result is not None:
                seen[outcome.index].add(outcome.result)
        results.append(CaseResult(path, case.name, _trouble(case, enforcing, wanted)))
    return results


def _trouble(case: PolicyCase, policies: PolicySet, wanted: Request) -> str:
    match deciding.decide(policies, wanted):
        case Allowed():
            return "" if case.expect == "allowed" else "allowed, expected was denied"
        case Denied() as denied:
            said = "; ".join(denied.reasons)
            if case.expect == "allowed":
                return f"denied ({said}), expected was allowed"
            if case.message is not None and case.message not in said:
                return f"denied because {said}, expected was {case.message}"
            return ""


def _enforcing(rule: Rule) -> Rule:
    """An audited policy is tested as if it were enforced."""
    spec = rule.policy.spec.model_copy(update={"mode": "enforce"})
    policy = rule.policy.model_copy(update={"spec": spec})
    return Rule(rule.path, rule.area, policy, rule.program)


def _request(rule: Rule, source: Mapping[str, object]) -> Request:
    plain = canonical.decode_object(canonical.encode(source), what="policy test input")
    return request(rule.area, plain)


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """`above` wins; mappings are merged, and null takes a field away."""
    found = dict(below)
    for name, value in above.items():
        known = found.get(name)
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict) and isinstance(known, dict):
            found[name] = _merged(known, value)
        else:
            found[name] = value
    return found
