"""Runs the tests that stand beside policies, and counts what they have seen.

A policy is covered when each of its expressions was seen both true and false: an expression
that was never false has never been shown to refuse anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core import kinds, policy
from reconciler.core.desired import DesiredState
from reconciler.core.policy import Allowed, Denied, PolicySet, Request
from registry.core import canonical

_MAPPINGS = ("deployment", "version", "verification")


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
class Gap:
    """An expression that no case has seen `never_seen` as."""

    policy: str
    expression: str
    never_seen: bool


@dataclass(frozen=True, slots=True)
class Report:
    """All cases, and what they leave open."""

    results: tuple[CaseResult, ...]
    gaps: tuple[Gap, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed and every expression was seen true and false."""
        return not self.gaps and all(result.passed for result in self.results)


def run(desired: DesiredState) -> Report:
    """Every PolicyTest against the policy beside it."""
    results: list[CaseResult] = []
    gaps: list[Gap] = []
    for subject in desired.policies.policies:
        seen: set[tuple[str, bool]] = set()
        for path, test in sorted(desired.policy_tests.items()):
            if test.spec.policy == subject.metadata.name:
                results += [_case(path, subject, test, case, seen) for case in test.spec.cases]
        gaps += _gaps(subject, seen)
    return Report(tuple(results), tuple(gaps))


def _case(
    path: str,
    subject: kinds.Policy,
    test: kinds.PolicyTest,
    case: kinds.PolicyCase,
    seen: set[tuple[str, bool]],
) -> CaseResult:
    wanted = _request(_merged(test.spec.base, case.input))
    for outcome in policy.evaluate(subject, wanted):
        if outcome.result is not None:
            seen.add((outcome.expression, outcome.result))
    decision = policy.decide(PolicySet((_enforcing(subject),)), wanted)
    match decision:
        case Allowed():
            trouble = "" if case.expect == "allowed" else "allowed, expected was denied"
        case Denied(reasons):
            trouble = _trouble_with_refusal(case, reasons)
    return CaseResult(path, case.name, trouble)


def _trouble_with_refusal(case: kinds.PolicyCase, reasons: tuple[str, ...]) -> str:
    said = "; ".join(reasons)
    if case.expect == "allowed":
        return f"denied ({said}), expected was allowed"
    if case.message is not None and case.message not in said:
        return f"denied because {said}, expected was {case.message}"
    return ""


def _enforcing(subject: kinds.Policy) -> kinds.Policy:
    """An audited policy is tested as if it were enforced."""
    spec = subject.spec.model_copy(update={"mode": "enforce"})
    return subject.model_copy(update={"spec": spec})


def _gaps(subject: kinds.Policy, seen: set[tuple[str, bool]]) -> list[Gap]:
    return [
        Gap(subject.metadata.name, validation.expression, value)
        for validation in subject.spec.validations
        for value in (True, False)
        if (validation.expression, value) not in seen
    ]


def _request(source: Mapping[str, object]) -> Request:
    plain = canonical.decode_object(canonical.encode(source), what="policy test input")
    blocks = [plain.get(name, {}) for name in _MAPPINGS]
    deployment, version, verification = [
        block if isinstance(block, dict) else {} for block in blocks
    ]
    return Request(deployment, version, verification, str(plain.get("environment", "")))


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
