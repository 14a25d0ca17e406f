"""What the MLflow form of an event tells beyond the log: names, tags and descriptions as of now."""

from registry import errors
from registry.core import mlflow_sources
from registry.core.canonical import Json
from registry.core.mlflow_events import About
from registry.usecases import registered_models
from registry.usecases.opening import Registry


def about(registry: Registry, entry: dict[str, Json]) -> About:
    """The model's name alone, its slug where the model has gone, unless more is known."""
    slug, number = str(entry.get("model", "")), entry.get("version")
    try:
        if isinstance(number, int):
            return _version(registry, slug, number)
        model = registered_models.model(registry, slug)
    except errors.NotFound:
        return About(slug)
    tags = {tag.key: tag.value for tag in model.tags}
    return About(model.row.display_name, description=model.row.description, tags=tags)


def _version(registry: Registry, slug: str, number: int) -> About:
    found = registered_models.version(registry, slug, str(number))
    return About(
        name=found.name,
        source=found.row.source or mlflow_sources.address(slug, number, url=""),
        run_id=found.row.run_id,
        description=found.row.description,
        digest=found.row.digest or "",
        tags={tag.key: tag.value for tag in found.row.tags},
    )
