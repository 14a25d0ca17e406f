"""What a renderer is given, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.tensors import Signature
from registry.making.refusals import NotConvertible


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the registry has it; `head` is the path of the file that it is known by."""

    model: str
    version: int
    digest: str
    format: str
    head: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Place:
    """Where our runtime shall run: its image, its port, the registry that it asks."""

    image: str
    port: int
    registry: str
    host: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """`texts` by path; the version's files go below `files`, where they are wanted at all."""

    texts: Mapping[str, str]
    files: str | None = None


def require(version: Version, formats: Mapping[str, object], who: str) -> None:
    """Raises NotConvertible for what a server does not serve."""
    if version.format not in formats:
        raise NotConvertible(
            f"{version.model} {version.version} is {version.format}, which {who} does not serve",
            fix=f"convert it with plimsoll convert into one of: {', '.join(formats)}",
        )
