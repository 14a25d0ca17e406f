"""Secret: values that only the reconciler can read, in SOPS's format, and who may use them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.sops import sealed
from registry.core.strict import Metadata, Name, SecretKey, Strict

_ENCRYPT = "encrypt it with `plimsoll secrets encrypt`"
_EXPOSED = f"change the value where it is used, since Git keeps this one, then {_ENCRYPT}"


def _sealed(value: object) -> object:
    """Never says what it found: that is the secret itself."""
    if not sealed.is_sealed(value):
        raise PydanticCustomError("secret_plain", "is plain text", {"fix": _EXPOSED})
    return value


Sealed = Annotated[str, StringConstraints(pattern=sealed.PATTERN), BeforeValidator(_sealed)]


class Use(Strict):
    """Deployments of these projects in this environment may use it; without one, nobody may."""

    environment: Name
    projects: Annotated[list[Name], Field(min_length=1, max_length=256)]


class SecretSpec(Strict):
    """`data` has names in the open and values encrypted."""

    used_by: Annotated[list[Use], Field(min_length=1, max_length=64)]
    data: Annotated[dict[SecretKey, Sealed], Field(min_length=1, max_length=256)]


class Secret(Strict):
    """Values for spec.runtime.env: models.d/secrets/<name>.yaml. `sops` is what SOPS needs to open
    it, and its MAC."""

    folder: ClassVar[str] = "models.d/secrets"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Secret"]
    metadata: Metadata
    spec: SecretSpec
    sops: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _is_encrypted(cls, given: object) -> object:
        if isinstance(given, dict) and "sops" not in given:
            context = {"at": ("sops",), "fix": _EXPOSED}
            raise PydanticCustomError("secret_open", "the file is not encrypted", context)
        return given

    def may_be_used(self, environment: str, project: str) -> bool:
        """Whether deployments of `project` in `environment` may have its values."""
        return any(
            one.environment == environment and project in one.projects for one in self.spec.used_by
        )
