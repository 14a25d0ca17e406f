"""What the policies of one area say of one deployment, with the expressions that failed. Pure."""

from dataclasses import dataclass

from registry.core import policy
from registry.core.policy import Allowed, Area, Denied, PolicySet, Request


@dataclass(frozen=True, slots=True)
class Failing:
    """One expression that was not true: `error` says why it could not be judged, if so."""

    policy: str
    path: str
    expression: str
    message: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One area's decision. `reasons` say why it is denied, none where it is allowed; `passed` are
    the enforcing policies that agreed, `audited` what those that only watch would refuse."""

    area: Area
    reasons: tuple[str, ...]
    passed: tuple[str, ...]
    failing: tuple[Failing, ...]
    audited: tuple[Failing, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether nothing forbids it."""
        return not self.reasons


def judge(policies: PolicySet, asked: Request) -> Judged:
    """The decision that the reconciler would come to, and how each policy got there."""
    passed: list[str] = []
    failing: dict[str, list[Failing]] = {"enforce": [], "audit": []}
    for rule in policies.rules:
        if not policy.covers(rule, asked):
            continue
        mode, validations = rule.policy.spec.mode, rule.policy.spec.validations
        bad = [
            Failing(
                rule.name,
                rule.path,
                " ".join(validations[seen.index].expression.split()),
                seen.message,
                seen.error,
            )
            for seen in policy.evaluate(rule, asked)
            if seen.result is not True
        ]
        failing[mode] += bad
        if mode == "enforce" and not bad:
            passed.append(rule.name)
    match policy.decide(policies, asked):
        case Allowed():
            reasons: tuple[str, ...] = ()
        case Denied() as denied:
            reasons = denied.reasons
    enforced, audited = tuple(failing["enforce"]), tuple(failing["audit"])
    return Judged(asked.area, reasons, tuple(passed), enforced, audited)
