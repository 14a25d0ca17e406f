"""Policy and PolicyTest: what is allowed, and proof that the rules say what was meant."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Labels, Metadata, ModelGlob, Name, Reason, Strict, Variable

Expression: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Match(Strict):
    """What a policy is about; everything in its area when left out. All that is written must fit.

    `models` are globs. `environments` and `labels`, those of the deployment, exist in the areas
    plan and deploy only.
    """

    environments: Annotated[list[Name], Field(min_length=1)] | None = None
    models: Annotated[list[ModelGlob], Field(min_length=1)] | None = None
    labels: Annotated[Labels, Field(min_length=1)] | None = None


class NamedExpression(Strict):
    """A value that the expressions below it know as `variables.<name>`."""

    name: Variable
    expression: Expression


class Validation(Strict):
    """A CEL expression that must be true, and what to say when it is not.

    `messageExpression` makes the message from the input; `message` is said where it fails.
    `reason` is one word for machines.
    """

    expression: Expression
    message: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    message_expression: Expression | None = None
    reason: Reason | None = None


class PolicySpec(Strict):
    """`audit` reports what `enforce` would refuse."""

    match: Match = Match()
    mode: Literal["enforce", "audit"]
    failure_policy: Literal["Fail"] = "Fail"
    variables: Annotated[list[NamedExpression], Field(max_length=50)] = Field(default_factory=list)
    validations: Annotated[list[Validation], Field(min_length=1, max_length=50)]

    @field_validator("failure_policy", mode="before")
    @classmethod
    def _never_ignore(cls, given: object) -> object:
        if given == "Ignore":
            raise PydanticCustomError(
                "failure_policy",
                "what a policy fails to decide is denied, never ignored",
                {"fix": "write Fail, or leave failurePolicy out; mode: audit only reports"},
            )
        return given


class Policy(Strict):
    """What is allowed in one area: policies/<area>/<name>.yaml."""

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
