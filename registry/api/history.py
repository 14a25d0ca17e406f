"""What became of a deployment, from the log: who asked for what, and how it ended."""

from typing import Annotated

from fastapi import Path, Query

from registry.api import wire
from registry.api.access import Opened, guarded
from registry.usecases import history

router = guarded("deployments")

Name = Annotated[str, Path(max_length=128)]
Place = Annotated[int | None, Query(ge=0, lt=2**62)]
Commit = Annotated[str, Query(min_length=40, max_length=64, pattern="^[0-9a-f]+$")]


@router.get(
    "/v1/deployments/{environment}/{name}/log",
    summary="The log's entries about a deployment, the newest first",
)
def entries(
    registry: Opened,
    environment: Name,
    name: Name,
    before: Place = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    commit: Annotated[list[Commit] | None, Query(max_length=100)] = None,
) -> wire.DeploymentLog:
    """Also of one that is no more. With the entries that say who signed the commits that they
    come from, and each other `commit` that is named. A call looks at a bounded part of the log and
    may find nothing there: go on from `before` until it is null. The entries are as the registry
    shows them; `plimsoll audit` checks them."""
    key = f"{environment}/{name}"
    found = history.of_deployment(registry, key, before=before, limit=limit, commits=commit or ())
    return wire.DeploymentLog(
        entries=[wire.Told(index=index, entry=entry) for index, entry in found.entries],
        before=found.before,
    )
