"""What all kinds in Git share: strictness, and the words that may stand in their fields.

Every pattern has a sentence in `PATTERNS` that tells a person what to write.
"""

import re
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_MODEL = r"^[a-z0-9]+([._-][a-z0-9]+)*$"
_DIGEST = r"^sha256:[0-9a-f]{64}$"
_PATH = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"
_MEMORY = r"^[1-9][0-9]{0,6}(Ki|Mi|Gi)$"
_DURATION = r"^(0|[1-9][0-9]{0,6})(s|m|h)$"
_IMAGE = r"^[a-z0-9][A-Za-z0-9._:/@-]*$"
_URL = r"^https?://[^\s]+$"
_GLOB = r"^[a-z0-9*?._-]+$"
_IMAGE_GLOB = r"^[a-z0-9*?][A-Za-z0-9*?._:/@-]*$"
_FILE_GLOB = r"^models\.d/[A-Za-z0-9*?_][A-Za-z0-9*?./_-]*$"
_VARIABLE = r"^[a-zA-Z][a-zA-Z0-9]{0,62}$"
_PARAMETER = r"^[a-z][a-zA-Z0-9]{0,62}$"
_REASON = r"^[A-Z][A-Za-z0-9]{0,62}$"
_VERSION_LABEL = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
_ENTRY = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,126}$"

PATTERNS = {
    _NAME: "write up to 63 lower-case letters, digits and '-', such as digits or edge-1",
    _MODEL: "write lower-case letters and digits in words joined by one of . _ -",
    _DIGEST: "write sha256: and the 64 hex digits that `plimsoll model show` prints",
    _PATH: "write a path from the root of the repository, such as models.d/datasets/digits.csv",
    _MEMORY: "write a whole number and Ki, Mi or Gi, such as 512Mi",
    _DURATION: "write a whole number and s, m or h, such as 30s",
    _IMAGE: "write an image as Docker knows it, such as plimsoll-runtime:1",
    _URL: "write a URL that starts with http:// or https://",
    _GLOB: "write a model's name, in which * stands for anything, such as fraud-*",
    _IMAGE_GLOB: "write an image, in which * stands for anything but a slash, such as runtime:*",
    _FILE_GLOB: "write a path in which * stands for anything but a slash and ** for anything, such "
    "as models.d/production/fraud-*.yaml",
    _VARIABLE: "write letters and digits, such as minimumSigners",
    _PARAMETER: "write letters and digits that begin with a small letter, such as gpuKind",
    _VERSION_LABEL: "write letters, digits and '_', such as stable; not latest or v7",
    _ENTRY: "write up to 63 letters, digits, '.', '_' and '-', such as api-token",
    _ENVIRONMENT_NAME: "write letters, digits and '_', such as API_TOKEN",
    _REASON: "write one word that begins with a capital letter, such as TooFewSigners",
}

Name: TypeAlias = Annotated[str, StringConstraints(pattern=_NAME)]
ModelName: TypeAlias = Annotated[str, StringConstraints(pattern=_MODEL, max_length=128)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=_DIGEST)]
Labels: TypeAlias = dict[Name, Annotated[str, StringConstraints(max_length=63)]]
RepositoryPath: TypeAlias = Annotated[str, StringConstraints(pattern=_PATH, max_length=512)]
Memory: TypeAlias = Annotated[str, StringConstraints(pattern=_MEMORY)]
Duration: TypeAlias = Annotated[str, StringConstraints(pattern=_DURATION)]
Image: TypeAlias = Annotated[str, StringConstraints(pattern=_IMAGE, max_length=512)]
Url: TypeAlias = Annotated[str, StringConstraints(pattern=_URL, max_length=512)]
ModelGlob: TypeAlias = Annotated[str, StringConstraints(pattern=_GLOB, max_length=128)]
ImageGlob: TypeAlias = Annotated[str, StringConstraints(pattern=_IMAGE_GLOB, max_length=512)]
FileGlob: TypeAlias = Annotated[str, StringConstraints(pattern=_FILE_GLOB, max_length=512)]
Variable: TypeAlias = Annotated[str, StringConstraints(pattern=_VARIABLE)]
Parameter: TypeAlias = Annotated[str, StringConstraints(pattern=_PARAMETER)]
Reason: TypeAlias = Annotated[str, StringConstraints(pattern=_REASON)]
VersionLabel: TypeAlias = Annotated[str, StringConstraints(pattern=_VERSION_LABEL)]
SecretKey: TypeAlias = Annotated[str, StringConstraints(pattern=_ENTRY)]
EnvironmentName: TypeAlias = Annotated[str, StringConstraints(pattern=_ENVIRONMENT_NAME)]


_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def memory_bytes(text: str) -> int:
    """The bytes of a size such as 512Mi; raises ValueError for anything else."""
    if not re.fullmatch(_MEMORY, text):
        raise ValueError(f"{text[:40]!r} is not a size such as 512Mi")
    return int(text[:-2]) * _UNITS[text[-2:]]


def duration_seconds(text: str) -> int:
    """The seconds of a duration such as 5m; raises ValueError for anything else."""
    if not re.fullmatch(_DURATION, text):
        raise ValueError(f"{text[:40]!r} is not a duration such as 30s")
    return int(text[:-1]) * _SECONDS[text[-1]]


class Strict(BaseModel):
    """Camel case outside, snake case inside; no extra field, no silent conversion."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
    )


class Metadata(Strict):
    """`name` is the file's name."""

    name: Name
    labels: Labels = Field(default_factory=dict)
