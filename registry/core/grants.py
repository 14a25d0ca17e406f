"""The file that says in which role callers of identity providers act. It is kept in Git.

A caller has every grant whose issuer and claims are all theirs, and no other. Without a grant a
good token opens nothing.
"""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator

from registry.core import documents, pseudonym, reading
from registry.core.canonical import Json
from registry.core.documents import Problem
from registry.core.identity import Grant, Identity, Means, Role
from registry.core.scope import Scope
from registry.core.strict import ModelGlob, Name, Strict, Url

Claim = Annotated[str, StringConstraints(min_length=1, max_length=512)]
# A host is known by its certificate, and nothing else.
GRANTED = ("admin", "publisher", "approver", "operator", "reconciler", "auditor", "viewer")
_MOST = 500


class To(Strict):
    """Callers whom `issuer` vouches for with all of these claims; * stands for anything."""

    issuer: Url
    claims: Annotated[dict[str, Claim], Field(min_length=1, max_length=20)]


class Rule(Strict):
    """A role on some models. With `as` the callers are one machine, which the log calls so."""

    role: Literal["admin", "publisher", "approver", "operator", "reconciler", "auditor", "viewer"]
    models: tuple[ModelGlob, ...] = Field(default=(), strict=False)
    projects: tuple[ModelGlob, ...] = Field(default=(), strict=False)
    machine: Name | None = Field(default=None, alias="as")
    to: To

    @field_validator("machine")
    @classmethod
    def _is_no_pseudonym(cls, value: str | None, _info: ValidationInfo) -> str | None:
        if value is not None and pseudonym.is_one(value):
            raise ValueError("looks like a person's pseudonym")
        return value

    @model_validator(mode="after")
    def _covers_something(self) -> "Rule":
        if not self.models and not self.projects:
            raise ValueError('grants nothing: name models or projects, such as models: ["*"]')
        return self

    def is_for(self, issuer: str, claims: dict[str, Json]) -> bool:
        """Whether it grants something to a caller with these claims."""
        return self.to.issuer == issuer and all(
            _fits(wanted, claims, name) for name, wanted in self.to.claims.items()
        )

    def grant(self) -> Grant:
        return Grant(Role(self.role), Scope(self.models, self.projects))


class Spec(Strict):
    """The grants; their order says which role a caller with several acts in first."""

    grants: Annotated[list[Rule], Field(max_length=_MOST)]


class Metadata(Strict):
    """What the file is called."""

    name: Name


class Access(Strict):
    """`access.yaml`."""

    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Access"]
    metadata: Metadata
    spec: Spec


def parse(path: str, data: bytes) -> tuple[Rule, ...] | tuple[Problem, ...]:
    """The rules, or everything that is wrong with the file, each at its line and column."""
    document = documents.read(path, data)
    if isinstance(document, Problem):
        return (document,)
    found = reading.read(document, {"Access": Access})
    return tuple(found.spec.grants) if isinstance(found, Access) else found


def of(rules: tuple[Rule, ...], issuer: str, claims: dict[str, Json]) -> tuple[Rule, ...]:
    """The rules that are for a caller with these claims."""
    return tuple(rule for rule in rules if rule.is_for(issuer, claims))


def machine(rules: tuple[Rule, ...]) -> str | None:
    """What the log calls a caller to whom these rules apply; None for a person."""
    return next((rule.machine for rule in rules if rule.machine is not None), None)


def identity(rules: tuple[Rule, ...], name: str) -> Identity:
    """A caller of this name with all that the rules grant."""
    return Identity(name, tuple(rule.grant() for rule in rules), Means.OIDC)


def _fits(wanted: str, claims: dict[str, Json], name: str) -> bool:
    """One of a claim's values does. An address that nobody has verified is nobody's."""
    if name == "email" and claims.get("email_verified") is not True:
        return False
    value = claims.get(name)
    values = value if isinstance(value, list) else [value]
    pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)
    return any(isinstance(one, str) and pattern.fullmatch(one) is not None for one in values)
