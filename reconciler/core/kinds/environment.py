"""Environment variables of a runtime: plain values, and names of secrets."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from registry.core.canonical import Json
from registry.core.strict import EnvironmentName, Name, SecretKey, Strict

# What decides which code runs is the image, which is pinned.
_RESERVED = re.compile(r"LD_.*|PYTHON.*|PLIMSOLL_.*|PATH|HOME|GCONV_PATH|BASH_ENV|ENV|IFS")


class SecretReference(Strict):
    """One value of models.d/secrets/<name>.yaml."""

    name: Name
    key: SecretKey


class Variable(Strict):
    """`value` stands in Git for all to read; `secret` is decrypted where it is handed over."""

    name: EnvironmentName
    value: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4096)] | None = None
    secret: SecretReference | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Variable":
        if (self.value is None) == (self.secret is None):
            raise PydanticCustomError(
                "variable_source",
                "needs either value or secret",
                {"fix": "write value: text, or secret: {name: ..., key: ...}"},
            )
        if _RESERVED.fullmatch(self.name):
            raise PydanticCustomError(
                "variable_reserved",
                "the variable {name} would decide which code runs, and that is the image",
                {"name": self.name, "at": ("name",), "fix": "build it into the image"},
            )
        return self


Variables = Annotated[list[Variable], Field(max_length=64)]


def declared(variables: list[Variable], sealed: Mapping[str, str]) -> list[Json]:
    """As an instance's settings have them, by name; `sealed` are the fingerprints of secrets by
    `name/key`."""
    found: list[Json] = []
    for one in sorted(variables, key=lambda variable: variable.name):
        entry: dict[str, Json] = {"name": one.name}
        if one.secret is None:
            entry["value"] = one.value
        else:
            at = f"{one.secret.name}/{one.secret.key}"
            entry |= {"secret": at, "sealed": sealed.get(at, "")}
        found.append(entry)
    return found
