"""Changes the pinned version in a deployment's file and not one byte else, comments included."""

from dataclasses import dataclass

from reconciler.core import asked, kinds
from reconciler.core.observed import InstanceSpec
from registry.core import digest as digests
from registry.core import documents, names
from registry.core.documents import Document, Path, Problem
from registry.errors import InvalidDesiredState

_VERSION: Path = ("spec", "model", "version")
_DIGEST: Path = ("spec", "model", "digest")


@dataclass(frozen=True, slots=True)
class Pin:
    """The version that a deployment's file asks for."""

    model: str
    version: int
    digest: str


def pin_of(path: str, data: bytes) -> Pin:
    """What the file asks for; raises `InvalidDesiredState`."""
    _, kind = _read(path, data)
    model = kind.spec.model
    return Pin(model.name, model.version, model.digest)


def repin(data: bytes, *, version: int, digest: str, path: str = "the deployment's file") -> bytes:
    """`data` with another version and digest; raises `InvalidDesiredState` or `InvalidInput`."""
    document, _ = _read(path, data)
    wanted = {_VERSION: str(names.version(version)), _DIGEST: digests.parse(digest)}
    text = data.decode()
    places = sorted(wanted, key=lambda at: document.values[at].start, reverse=True)
    for at in places:
        place = document.values[at]
        quote = text[place.start] if text[place.start] in "\"'" else ""
        text = f"{text[: place.start]}{quote}{wanted[at]}{quote}{text[place.end :]}"
    return text.encode()


def spec_of(path: str, data: bytes, like: InstanceSpec) -> InstanceSpec:
    """What the file asks for on the host of `like`; raises `InvalidDesiredState`."""
    _, kind = _read(path, data)
    return asked.spec(kind, like.deployment, host=like.host, commit=like.commit)


def _read(path: str, data: bytes) -> tuple[Document, kinds.ModelDeployment]:
    document = documents.read(path, data)
    if isinstance(document, Problem):
        raise document.error()
    kind = kinds.read(document)
    if isinstance(kind, tuple):
        raise kind[0].error()
    if not isinstance(kind, kinds.ModelDeployment):
        raise InvalidDesiredState(
            f"{path}:1:1: kind: is {kind.kind}", fix="name the file of a ModelDeployment"
        )
    return document, kind
