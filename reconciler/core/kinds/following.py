"""What the pinned version of a deployment follows: an alias of the registry, or a range."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.following import ranges
from reconciler.core.kinds.demand import Demand
from registry.core import names
from registry.core.strict import Duration, Strict
from registry.errors import PlimsollError


def _is_alias(text: str) -> str:
    try:
        return names.alias(text)
    except PlimsollError as error:
        raise PydanticCustomError(
            "alias", "{wrong}", {"wrong": error.detail, "fix": error.fix}
        ) from error


def _is_range(text: str) -> str:
    try:
        ranges.parse(text)
    except PlimsollError as error:
        raise PydanticCustomError(
            "range", "{wrong}", {"wrong": error.detail, "fix": error.fix}
        ) from error
    return text


_Alias: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=128), AfterValidator(_is_alias)
]
_Range: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_range)
]


class Follow(Strict):
    """Exactly one of `alias` and `range`. Version and digest beside it are changed in Git, `by` a
    commit or a pull request, once the registry has said the same for `stableFor` and everything in
    `evidence` is true of the new version."""

    alias: _Alias | None = None
    range_: Annotated[_Range | None, Field(alias="range")] = None
    by: Literal["commit", "pullRequest"]
    stable_for: Duration = "1m"
    evidence: Annotated[list[Demand], Field(max_length=20)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_one(self) -> "Follow":
        if (self.alias is None) == (self.range_ is None):
            raise PydanticCustomError(
                "follow",
                "what is followed is exactly one of alias and range",
                {"fix": 'write alias: champion, or range: ">=7 <9"'},
            )
        return self

    @property
    def rule(self) -> str:
        """In words: what is followed, but for how."""
        return f"range {self.range_}" if self.alias is None else f"alias {self.alias}"
