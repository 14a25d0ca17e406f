"""Where a version registered through MLflow comes from: its `source`, taken apart. Pure.

Only bytes that this registry holds can be frozen and checked, so only sources that name such are
resolved; all others are refused with what to do instead.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from registry import errors
from registry.core import names

# Below this virtual folder are the files of versions; nobody uploads there.
MODELS = "models"
# The route that serves artifacts; with a server's address before it, it is an address too.
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"
SIGNATURE = "model.sig"
_RUN = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_PLACE = re.compile(r"(\d{1,18})(?:-(.+))?", re.ASCII)
_UPLOAD = (
    "upload the folder to this registry, for example with "
    "get_artifact_repository('mlflow-artifacts:/NAME/candidate').log_artifacts(FOLDER), and "
    "register 'mlflow-artifacts:/NAME/candidate'"
)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A folder, or one file, of the staging tree."""

    path: str


@dataclass(frozen=True, slots=True)
class OfRun:
    """What a run uploaded below its own folder."""

    run_id: str
    path: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A version of this registry: by number, or where that is 0 by alias, or else the latest."""

    name: str
    version: int = 0
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder inside a version; `variant` empty is the one it was first published in."""

    slug: str
    version: int
    variant: str
    path: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing that can be checked here; `reason` says what to do instead."""

    reason: str


Source: TypeAlias = Uploaded | OfRun | Registered | Place | Refused


def parse(source: str, *, url: str = "") -> Source:
    """Take `source` apart; whatever it is, the answer is a value. `url` is our own address."""
    if url and source.startswith(f"{url}{ROUTE}/"):
        source = f"mlflow-artifacts:/{source.removeprefix(f'{url}{ROUTE}/')}"
    try:
        parts = urlsplit(source)
    except ValueError:
        return Refused(f"source {source[:200]!r} is not an address: {_UPLOAD}")
    match parts.scheme.lower():
        case "mlflow-artifacts":
            return _uploaded(parts)
        case "models":
            return _registered(source, parts)
        case "runs":
            return _of_run(source, parts)
        case "" | "file":
            return Refused(
                f"source {source[:200]!r} is a path on somebody's disk, which this registry "
                f"cannot read: {_UPLOAD}"
            )
        case scheme:
            return Refused(
                f"source {source[:200]!r} is kept elsewhere ({scheme}:), where its bytes can "
                f"change after they were checked: {_UPLOAD}"
            )


def address(slug: str, number: int, *, url: str) -> str:
    """Where a version's files are, for MLflow's artifact clients.

    Without our own address, clients ask the server that tracks their runs.
    """
    place = f"{MODELS}/{slug}/{number}"
    return f"{url}{ROUTE}/{place}" if url else f"mlflow-artifacts:/{place}"


def artifact_path(path: str) -> str:
    """`path`, if files may be uploaded there; raises InvalidName or Forbidden."""
    checked = names.file_path(path.strip("/"))
    if checked == MODELS or checked.startswith(f"{MODELS}/"):
        raise errors.Forbidden(
            f"{checked[:80]!r} is below '{MODELS}/', where the files of versions are",
            fix="a version never changes: upload elsewhere and register that",
        )
    return checked


def place(path: str) -> Place | None:
    """The place inside a version that `path` names, None where it is in the staging tree.

    Raises NotFound for `models/…` that names no version.
    """
    first, _, rest = path.strip("/").partition("/")
    if first != MODELS:
        return None
    slug, _, rest = rest.partition("/")
    numbered, _, inner = rest.partition("/")
    form = _PLACE.fullmatch(numbered)
    if form is None or not names.is_slug(slug):
        raise errors.NotFound(
            f"no artifact {path[:200]!r}", fix="write models/NAME/VERSION, as get-download-uri does"
        )
    return Place(slug, int(form[1]), form[2] or "", inner)


def signatures(path: str, *, is_folder: bool) -> tuple[str, ...]:
    """Where the publisher's bundle over `path` may be, the first that is there counts."""
    above = path.rpartition("/")[0]
    beside = f"{above}/{SIGNATURE}" if above else SIGNATURE
    inside = (f"{path}/{SIGNATURE}",) if is_folder else ()
    return (*inside, f"{path}.sig", beside)


def _uploaded(parts: SplitResult) -> Source:
    if parts.netloc:
        return Refused(
            f"source names the server {parts.netloc[:80]!r}: leave it out, as in "
            f"mlflow-artifacts:{parts.path[:200]}, for what this registry holds"
        )
    path = parts.path.strip("/")
    try:
        inside = place(path)
        return inside or Uploaded(artifact_path(path))
    except errors.PlimsollError as error:
        return Refused(f"source {parts.geturl()[:200]!r}: {error.detail}; {error.fix}")


def _of_run(source: str, parts: SplitResult) -> Source:
    run_id, _, path = parts.path.strip("/").partition("/")
    if not _RUN.fullmatch(run_id) or not path:
        return Refused(
            f"source {source[:200]!r} is not of the form runs:/<run_id>/<path to the model>"
        )
    return OfRun(run_id, path.strip("/"))


def _registered(source: str, parts: SplitResult) -> Source:
    name, _, suffix = parts.path.strip("/").partition("/")
    if parts.netloc or not name or "/" in suffix:
        return Refused(
            f"source {source[:200]!r} is not of the form models:/<name>/<version> or "
            "models:/<name>@<alias>"
        )
    if not suffix:
        name, at, alias = name.rpartition("@")
        if at and name and alias:
            return Registered(name, alias=alias)
        return Refused(
            f"source {source[:200]!r} is a logged model, which a tracking server keeps: {_UPLOAD}"
        )
    if re.fullmatch(r"[0-9]{1,18}", suffix, re.ASCII):
        return Registered(name, int(suffix)) if int(suffix) else _no_such(source)
    if suffix.lower() == "latest":
        return Registered(name)
    return Refused(
        f"source {source[:200]!r} names a stage: versions have none here, use an alias, as in "
        f"models:/{name[:80]}@champion"
    )


def _no_such(source: str) -> Refused:
    return Refused(f"source {source[:200]!r}: versions are counted from 1")
