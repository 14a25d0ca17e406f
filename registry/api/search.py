"""Searches: versions everywhere or of one model, and models. Every list comes in pages."""

import json
from typing import Annotated

from fastapi import Query, Response

from registry.api import wire_search
from registry.api.access import Known, Opened, guarded
from registry.api.wire import ready
from registry.usecases import search
from registry.usecases.search import Found

router = guarded("search")

Search = Annotated[wire_search.Search, Query()]


@router.get(
    "/v1/versions",
    summary="Versions that fit a filter, the newest first",
    response_model=wire_search.VersionList,
)
def versions(registry: Opened, caller: Known, wanted: Search) -> Response:
    return _listed(search.versions_everywhere(registry, wanted.asked(caller.scope)))


@router.get(
    "/v1/models/{name}/versions",
    summary="A model's versions, the highest first",
    response_model=wire_search.VersionList,
)
def versions_of(registry: Opened, name: str, wanted: Search) -> Response:
    return _listed(search.versions_of(registry, name, wanted.asked()))


@router.get("/v1/models", summary="Models that fit a filter, by name")
def models(registry: Opened, caller: Known, wanted: Search) -> wire_search.ModelList:
    found = search.models(registry, wanted.asked(caller.scope))
    return wire_search.ModelList(
        models=[wire_search.summary(one) for one in found.items], next_page_token=found.token
    )


def _listed(found: Found[str]) -> Response:
    """A `wire_search.VersionList` of documents that are text already."""
    listed, token = ",".join(found.items), json.dumps(found.token)
    return ready(f'{{"versions":[{listed}],"nextPageToken":{token}}}')
