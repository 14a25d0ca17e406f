"""Whether the golden data that a template names is in the repository, and as it was. Pure."""

from collections.abc import Mapping

from reconciler.core import kinds
from reconciler.core.sources import Source
from registry.core import digest
from registry.core.documents import Problem


def problem(source: Source[kinds.AcceptanceTemplate], files: Mapping[str, bytes]) -> Problem | None:
    """An artifact is looked for when it is needed: the registry is not asked here."""
    dataset = source.kind.spec.dataset
    if dataset.path is None:
        return None
    data = files.get(dataset.path)
    if data is None:
        at = ("spec", "dataset", "path")
        fix = "commit the file under models.d/datasets/, or correct the path"
        message = f"spec.dataset.path: {dataset.path} is not in the repository"
        return source.document.problem(at, message, fix=fix)
    found = digest.of(data)
    if found != dataset.digest:
        at = ("spec", "dataset", "digest")
        message = f"spec.dataset.digest: the file's digest is {found}"
        return source.document.problem(at, message, fix=f"write digest: {found}")
    return None
