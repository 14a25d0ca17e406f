"""Keeps callers to the models they were granted. What is not covered is refused, there or not."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from registry import errors
from registry.core import mlflow_sources, scope
from registry.core.identity import Caller
from registry.core.mlflow_sources import OfRun, Place, Refused, Registered, Uploaded
from registry.core.scope import Scope
from registry.db import registered, scoped
from registry.db.engine import Session
from registry.usecases.opening import Registry

T = TypeVar("T")


def require(registry: Registry, caller: Caller, model: str, *, project: str = "") -> None:
    """Raise Forbidden unless the caller's scope covers the model, or the project it shall be in.

    `project` is said of models that are to be made; a model that is there has its own.
    """
    if caller.scope.covers(model, project):
        return
    if caller.scope.projects and not project:
        with registry.database.reading() as session:
            if caller.scope.covers(model, scoped.project(session, model)):
                return
    raise outside(caller, f"model {model[:128]!r}")


def require_named(registry: Registry, caller: Caller, name: str) -> None:
    """Like `require`, for a model by the name that MLflow's clients give it."""
    if caller.scope.is_everything:
        return
    with registry.database.reading() as session:
        found = registered.find_model(session, name)
        project = found.project if found is not None else ""
    # A model that is to be made gets a slug of its own: with a name that is none, no glob helps.
    if not caller.scope.covers(found.name if found is not None else name, project):
        raise outside(caller, f"model {name[:128]!r}")


def require_everything(caller: Caller) -> None:
    """Raise Forbidden unless the caller may act on all models: this is not about one."""
    if not caller.scope.is_everything:
        raise errors.Forbidden(
            f"{caller.actor} may act on {caller.scope} only, and this is about all",
            fix="use a token for all models, or ask an admin",
        )


def require_place(registry: Registry, caller: Caller, path: str) -> None:
    """Raise Forbidden unless the artifact at `path` is of a covered model, or staged for one.

    Uploads are staged below a folder with the model's name.
    """
    if caller.scope.is_everything:
        return
    place = mlflow_sources.place(path)
    first = path.strip("/").partition("/")[0]
    require(registry, caller, place.slug if place is not None else first)


def require_source(registry: Registry, caller: Caller, source: str) -> None:
    """Raise Forbidden unless the caller may read what a version shall be registered from."""
    if caller.scope.is_everything:
        return
    match mlflow_sources.parse(source, url=registry.settings.url):
        case Uploaded(path):
            require_place(registry, caller, path)
        case OfRun():
            raise outside(caller, "what runs have uploaded")
        case Registered(name=name):
            require_named(registry, caller, name)
        case Place(slug=slug):
            require(registry, caller, slug)
        case Refused():
            pass


def only(
    registry: Registry, within: Scope, items: Iterable[T], model_of: Callable[[T], str]
) -> list[T]:
    """Those of `items` whose model is covered."""
    listed = list(items)
    if within.is_everything:
        return listed
    with registry.database.reading() as session:
        known = _projects(session, within, (model_of(item) for item in listed))
    return [item for item in listed if within.covers(model_of(item), known.get(model_of(item), ""))]


def of_lists(models: list[str], projects: list[str]) -> Scope:
    """The scope that a token is asked for; with nothing said, everything."""
    if not models and not projects:
        return scope.EVERYTHING
    return Scope(
        scope.globs(models, what="model"),
        scope.globs(projects, what="project"),
    )


def outside(caller: Caller, what: str) -> errors.Forbidden:
    """What is said of all that is not covered, whether it is there or not."""
    return errors.Forbidden(
        f"{what} is not among what {caller.actor} may act on: {caller.scope}",
        fix="see `plimsoll whoami`; an admin may grant more",
    )


def _projects(session: Session, within: Scope, models: Iterable[str]) -> dict[str, str]:
    return scoped.projects(session, models) if within.projects else {}
