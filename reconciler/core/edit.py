"""Changes the pinned version in a deployment's or a set's file and not one byte else, comments
included."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.core import asked, environments, kinds
from reconciler.core.observed import InstanceSpec
from reconciler.core.sources import TEMPLATE, Origin
from registry.core import digest as digests
from registry.core import documents, names
from registry.core.documents import Document, Path, Problem, Value
from registry.errors import InvalidDesiredState, InvalidInput

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
    return _replaced(data, document, wanted)


def repin_made(data: bytes, origin: Origin, *, was: Pin, now: Pin, path: str) -> bytes:
    """A set's file with `now` in place of `was` where `origin` has it; raises `InvalidInput`."""
    document = documents.read(path, data)
    if isinstance(document, Problem):
        raise document.error()
    at = _row(document, origin) if origin.row else (*TEMPLATE, *_VERSION[:-1])
    wanted = {
        (*at, origin.version): str(names.version(now.version)),
        (*at, origin.digest): digests.parse(now.digest),
    }
    before = [_value(document, place) for place in wanted]
    if before != [was.version, was.digest]:
        raise _elsewhere(path, f"version {was.version} does not stand where it did")
    return _replaced(data, document, wanted)


def moved_on(asked: bytes, origin: Origin | None, *, was: Pin, now: Pin, path: str) -> bytes:
    """`asked`, the file of a deployment or of the set that makes it, with `now` in place of `was`;
    raises `InvalidInput` where somebody has changed it meanwhile."""
    if origin is not None:
        return repin_made(asked, origin, was=was, now=now, path=path)
    if pin_of(path, asked) != was:
        raise moved(path, was)
    return repin(asked, version=now.version, digest=now.digest, path=path)


def moved(path: str, was: Pin) -> InvalidInput:
    """Somebody has changed the file meanwhile, and theirs is the newer word."""
    return _elsewhere(path, f"version {was.version} does not stand where it did")


def _row(document: Document, origin: Origin) -> Path:
    """Rows may have moved within the list, so it is found by what it says."""
    wanted = dict(origin.row)
    found = [
        at
        for at in document.values
        if at[-3:-1] == ("list", "elements") and _value(document, at) == wanted
    ]
    if len(found) != 1:
        raise _elsewhere(document.path, f"its row is there {len(found)} times")
    return found[0]


def _value(document: Document, at: Path) -> Value:
    found: Value = document.value
    for step in at:
        if isinstance(found, dict) and isinstance(step, str):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int):
            found = found[step]
        else:
            return None
    return found


def _elsewhere(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{path} was changed meanwhile: {why}", fix="change it by hand")


def _replaced(data: bytes, document: Document, wanted: Mapping[Path, str]) -> bytes:
    text = data.decode()
    places = sorted(wanted, key=lambda at: document.values[at].start, reverse=True)
    for at in places:
        place = document.values[at]
        quote = text[place.start] if text[place.start] in "\"'" else ""
        text = f"{text[: place.start]}{quote}{wanted[at]}{quote}{text[place.end :]}"
    return text.encode()


def respecified(like: InstanceSpec, version: int, digest: str) -> InstanceSpec:
    """`like`, at another version."""
    return replace(like, version=version, digest=digest)


def spec_of(path: str, data: bytes, like: InstanceSpec) -> InstanceSpec:
    """What the file asks for on the host of `like`; raises `InvalidDesiredState`."""
    _, kind = _read(path, data)
    sealed = environments.sealed(like)
    return asked.spec(kind, like.deployment, host=like.host, commit=like.commit, sealed=sealed)


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
