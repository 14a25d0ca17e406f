"""Policy and PolicyTest: what may be deployed, and proof that the rules say what was meant."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from reconciler.core.kinds.strict import Metadata, Name, Strict


class Match(Strict):
    """Where a policy counts; all environments when left out."""

    environments: Annotated[list[Name], Field(min_length=1)] | None = None


class Validation(Strict):
    """A CEL expression that must be true, and what to say when it is not."""

    expression: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    message: Annotated[str, StringConstraints(min_length=1)]


class PolicySpec(Strict):
    """`audit` reports what `enforce` would refuse."""

    match: Match = Match()
    mode: Literal["enforce", "audit"]
    validations: Annotated[list[Validation], Field(min_length=1)]


class Policy(Strict):
    """What may be deployed: policies/<area>/<name>.yaml."""

    folder: ClassVar[str] = "policies/<area>"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


class PolicyCase(Strict):
    """One input and the decision it must get; `message` must be among the reasons."""

    name: str
    expect: Literal["allowed", "denied"]
    message: str | None = None
    input: dict[str, object]


class PolicyTestSpec(Strict):
    """Cases for one policy; `base` is merged below the input of each."""

    policy: Name
    base: dict[str, object] = Field(default_factory=dict)
    cases: Annotated[list[PolicyCase], Field(min_length=1)]


class PolicyTest(Strict):
    """Tests of the policy beside it: policies/<area>/<name>_test.yaml."""

    folder: ClassVar[str] = "policies/<area>"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["PolicyTest"]
    spec: PolicyTestSpec
