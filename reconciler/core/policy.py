"""Whether a version may be deployed: CEL rules from Git, in ValidatingAdmissionPolicy shape.

Fails closed: no enforcing policy, a policy file that cannot be read, an expression that ends
in an error or in anything but the boolean true, all deny. cel-expr-python's only home.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cel_expr_python import cel

from reconciler.core import kinds
from reconciler.core.documents import Document, Path, Problem
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.digest import of as digest_of
from registry.core.envelope import Verified

VARIABLES = ("deployment", "version", "verification", "environment")


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies at one commit; `broken` are the files among them that could not be read."""

    policies: tuple[kinds.Policy, ...]
    broken: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes whenever any decision might."""
        documents = [policy.model_dump(mode="json", by_alias=True) for policy in self.policies]
        return digest_of(canonical.encode({"policies": documents, "broken": list(self.broken)}))


@dataclass(frozen=True, slots=True)
class Request:
    """What a decision is about, as plain JSON values."""

    deployment: Mapping[str, Json]
    version: Mapping[str, Json]
    verification: Mapping[str, Json]
    environment: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """Every enforcing policy agreed; `audit` are the refusals of those that only watch."""

    policies: tuple[str, ...]
    audit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """At least one policy said no, or none said yes."""

    reasons: tuple[str, ...]
    audit: tuple[str, ...] = ()


Decision: TypeAlias = Allowed | Denied


@dataclass(frozen=True, slots=True)
class Seen:
    """How one expression ended: `result` is None for an error, explained by `error`."""

    policy: str
    expression: str
    message: str
    result: bool | None
    error: str = ""


def request(
    deployment: kinds.ModelDeployment, version: Mapping[str, Json], verified: Verified
) -> Request:
    """The input of a decision: `version` is the registry's version document."""
    return Request(
        deployment=deployment.model_dump(mode="json", by_alias=True),
        version=version,
        verification={
            "publisher": verified.publisher,
            "format": verified.format,
            "logIndex": verified.log_index,
            "logSize": verified.checkpoint.size,
        },
        environment=deployment.metadata.environment,
    )


def decide(policies: PolicySet, wanted: Request) -> Decision:
    """Whether all policies that match allow `wanted`."""
    matching = [policy for policy in policies.policies if _matches(policy, wanted.environment)]
    enforced = [policy for policy in matching if policy.spec.mode == "enforce"]
    watching = [policy for policy in matching if policy.spec.mode == "audit"]
    audit = tuple(reason for policy in watching for reason in _refusals(policy, wanted))
    reasons = [f"policy file {path} cannot be read" for path in policies.broken]
    if not enforced:
        reasons.append(
            f"no policy allows this in {wanted.environment}; add one under policies/ "
            "with mode: enforce"
        )
    reasons += [reason for policy in enforced for reason in _refusals(policy, wanted)]
    if reasons:
        return Denied(tuple(reasons), audit)
    return Allowed(tuple(policy.metadata.name for policy in enforced), audit)


def evaluate(policy: kinds.Policy, wanted: Request) -> list[Seen]:
    """How each expression of `policy` ends for `wanted`."""
    data: dict[str, object] = {
        "deployment": dict(wanted.deployment),
        "version": dict(wanted.version),
        "verification": dict(wanted.verification),
        "environment": wanted.environment,
    }
    return [
        _evaluate(policy.metadata.name, validation.expression, validation.message, data)
        for validation in policy.spec.validations
    ]


def problems(document: Document, policy: kinds.Policy) -> Iterator[Problem]:
    """The expressions of `policy` that are not CEL, or can never be true."""
    for index, validation in enumerate(policy.spec.validations):
        at: Path = ("spec", "validations", index, "expression")
        name = f"spec.validations.{index}.expression"
        fix = f"write a CEL expression over {', '.join(VARIABLES)} that is true or false"
        try:
            kind = _compile(validation.expression).return_type()
        except RuntimeError as error:
            yield document.problem(at, f"{name}: {_first_line(error)}", fix=fix)
            continue
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            yield document.problem(at, f"{name}: is {kind.name()}, not BOOL", fix=fix)


def _matches(policy: kinds.Policy, environment: str) -> bool:
    environments = policy.spec.match.environments
    return environments is None or environment in environments


def _refusals(policy: kinds.Policy, wanted: Request) -> Iterator[str]:
    for seen in evaluate(policy, wanted):
        if seen.result is not True:
            trouble = f" ({seen.error})" if seen.error else ""
            yield f"policy {seen.policy}: {seen.message}{trouble}"


def _evaluate(policy: str, expression: str, message: str, data: dict[str, object]) -> Seen:
    """An ERROR is a value like any other to CEL, and a truthy one to Python: so ask its type."""
    try:
        value = _compile(expression).eval(data=data)
        if value.type() == cel.Type.BOOL:
            return Seen(policy, expression, message, value.value() is True)
        error = str(value.value()) if value.type() == cel.Type.ERROR else value.type().name()
    except (RuntimeError, TypeError, ValueError, OverflowError) as raised:
        error = _first_line(raised)
    return Seen(policy, expression, message, None, error)


@functools.lru_cache(maxsize=1024)
def _compile(expression: str) -> cel.Expression:
    return _environment().compile(expression)


@functools.lru_cache(maxsize=1)
def _environment() -> cel.Env:
    mapping = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(
        variables={
            "deployment": mapping,
            "version": mapping,
            "verification": mapping,
            "environment": cel.Type.STRING,
        }
    )


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0]
    return line.partition("ERROR: <input>:")[2] or line
