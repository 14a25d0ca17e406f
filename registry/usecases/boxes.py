"""Where models are looked at and tried: in a child of this process, or in a container."""

from registry.formats.inspection import Box
from registry.settings import Settings


def box(settings: Settings, job: str) -> Box | None:
    """A container where the settings say so; None for a child of this process."""
    if not settings.inspecting.engine:
        return None
    from registry.formats.container import Containers  # noqa: PLC0415  heavy, and rarely wanted

    wanted = settings.inspecting
    owner = str(settings.data_dir.resolve())
    return Containers(wanted.engine, wanted.image, job, owner=owner)
