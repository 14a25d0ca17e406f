"""Whether the policies of an area allow a request, and why not."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias

from registry.core.canonical import Json
from registry.core.policy import expressions
from registry.core.policy.areas import Area, Request
from registry.core.policy.expressions import Inputs, Seen
from registry.core.policy.files import FOLDER
from registry.core.policy.rules import PolicySet, Rule

# The words for machines of refusals that are no policy's own.
BROKEN, SILENCE, UNREADABLE = "BrokenPolicy", "NoPolicy", "UnreadableInput"
_AREAS = frozenset(Area)
# A record of a decision is a leaf of the log, and those have an end.
_KEPT, _TEXT_LIMIT = 20, 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """One validation that was not true; `reason` is its word for machines, if it has one."""

    policy: str
    message: str
    reason: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        return f"policy {self.policy}: {self.message}" if self.policy else self.message


@dataclass(frozen=True, slots=True)
class Allowed:
    """Every enforcing policy agreed; `audit` are the refusals of those that only watch."""

    policies: tuple[str, ...]
    audit: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """At least one policy said no, or none said yes."""

    refusals: tuple[Refusal, ...]
    audit: tuple[Refusal, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line for each refusal."""
        return tuple(refusal.text for refusal in self.refusals)


Decision: TypeAlias = Allowed | Denied


def decide(policies: PolicySet, wanted: Request) -> Decision:
    """Whether all policies of the area that match `wanted` allow it.

    In the area plan, where nothing is granted yet, silence is assent; anywhere else it denies.
    """
    matching = [rule for rule in policies.rules if covers(rule, wanted)]
    enforced = [rule for rule in matching if rule.policy.spec.mode == "enforce"]
    watching = [rule for rule in matching if rule.policy.spec.mode == "audit"]
    given = expressions.inputs(wanted.area, wanted.inputs)
    audit = tuple(refusal for rule in watching for refusal in _refusals(rule, given))
    refusals = [
        Refusal("", f"a policy file is broken: {problem.detail}", BROKEN)
        for problem in policies.broken
        if _concerns(problem.path, wanted.area)
    ]
    if wanted.trouble:
        refusals.append(Refusal("", f"the input cannot be judged: {wanted.trouble}", UNREADABLE))
    if not enforced and wanted.area is not Area.PLAN:
        refusals.append(Refusal("", _silence(wanted), SILENCE))
    refusals += [refusal for rule in enforced for refusal in _refusals(rule, given)]
    if refusals:
        return Denied(tuple(refusals), audit)
    return Allowed(tuple(rule.name for rule in enforced), audit)


def covers(rule: Rule, wanted: Request) -> bool:
    """Whether `rule` is about `wanted`."""
    match = rule.policy.spec.match
    if rule.area is not wanted.area:
        return False
    if match.environments is not None and wanted.environment not in match.environments:
        return False
    if match.models is not None and not any(fnmatchcase(wanted.model, g) for g in match.models):
        return False
    return (match.labels or {}).items() <= wanted.labels.items()


def evaluate(rule: Rule, wanted: Request) -> list[Seen]:
    """How each expression of `rule` ends for `wanted`, whether or not it is about it."""
    return expressions.run(rule.program, expressions.inputs(wanted.area, wanted.inputs))


def _refusals(rule: Rule, given: Inputs) -> Iterator[Refusal]:
    if expressions.holds(rule.program, given):
        return
    for seen in expressions.run(rule.program, given):
        if seen.result is not True:
            trouble = f" ({seen.error})" if seen.error else ""
            reason = rule.policy.spec.validations[seen.index].reason or ""
            yield Refusal(rule.name, f"{seen.message}{trouble}", reason)


def _concerns(path: str, area: Area) -> bool:
    """A broken file stops its own area; one that stands in no area stops them all."""
    folder = path.removeprefix(f"{FOLDER}/").partition("/")[0]
    return folder == area or folder not in _AREAS


def _silence(wanted: Request) -> str:
    where = f" in {wanted.environment}" if wanted.environment else ""
    return f"no policy allows this{where}; add one under {FOLDER}/{wanted.area}/ with mode: enforce"


def record(decision: Decision, policies: PolicySet, wanted: Request) -> dict[str, Json]:
    """What the log keeps of a decision; its input is named by digest, `now` left out of it."""
    said: dict[str, Json] = {
        "area": wanted.area.value,
        "policies": policies.digest,
        "input": wanted.digest,
        "audit": _kept(refusal.text for refusal in decision.audit),
    }
    match decision:
        case Allowed():
            return {**said, "result": "allowed", "by": _kept(decision.policies)}
        case Denied():
            return {**said, "result": "denied", "reasons": _kept(decision.reasons)}


def _kept(texts: Iterable[str]) -> list[Json]:
    return [text[:_TEXT_LIMIT] for text in itertools.islice(texts, _KEPT)]
