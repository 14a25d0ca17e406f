"""Models, versions and aliases."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from registry.api import wire
from registry.api.access import Known, Opened
from registry.core.oms import File
from registry.usecases import aliases, catalogue, publish, pull
from registry.usecases.opening import Registry

router = APIRouter(tags=["models"])

Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.get("/v1/models", summary="All models")
def models(registry: Opened) -> wire.ModelList:
    return wire.ModelList(
        models=[wire.model_document(overview) for overview in catalogue.models(registry)]
    )


@router.get("/v1/models/{name}", summary="One model, its versions and aliases")
def model(registry: Opened, name: str) -> wire.ModelDocument:
    return wire.model_document(catalogue.model(registry, name))


@router.post(
    "/v1/models/{name}/versions", status_code=201, summary="Publish a version of uploaded files"
)
def publish_version(
    registry: Opened, caller: Known, name: str, new: wire.NewVersion, answer: Response
) -> wire.VersionDocument:
    """Inspects the files, checks the publisher's signature, signs, records: all or nothing.

    Publishing the very same version again answers 200 with it; other files under the same
    number answer 409.
    """
    draft = publish.Draft(
        model=name,
        version=new.version,
        format=new.format,
        files=tuple(File(file.path, file.digest, file.size) for file in new.files),
        publisher_bundle=new.publisher_bundle,
        metadata=new.metadata.model_dump(exclude_defaults=True),
    )
    published = publish.publish(registry, draft, caller)
    answer.status_code = 201 if published.is_new else 200
    return wire.version_document(published.version)


@router.get("/v1/models/{name}/versions/{version}", summary="One version")
def version(registry: Opened, name: str, version: Number) -> wire.VersionDocument:
    return wire.version_document(catalogue.version(registry, name, version))


@router.get(
    "/v1/models/{name}/versions/{version}/bundle",
    summary="The pull envelope: manifest, signatures, proof of the log",
)
def bundle(registry: Opened, caller: Known, name: str, version: Number) -> Response:
    """A host's call is recorded in the log before it is answered."""
    content = pull.bundle(registry, model=name, version=version, by=caller)
    return Response(content, media_type="application/json")


@router.get("/v1/models/{name}/aliases/{alias}", summary="Where an alias points, and its history")
def find_alias(registry: Opened, name: str, alias: str) -> wire.AliasDocument:
    return alias_document(registry, name, alias)


def alias_document(registry: Registry, name: str, alias: str) -> wire.AliasDocument:
    found, history = catalogue.alias(registry, name, alias)
    return wire.AliasDocument(
        model=found.model,
        alias=found.alias,
        version=found.version,
        history=[
            wire.AliasChangeDocument(
                version=change.version,
                previous=change.previous,
                actor=change.actor,
                reason=change.reason,
                at=change.at,
                log_index=change.log_index,
            )
            for change in history
        ],
    )


@router.put("/v1/models/{name}/aliases/{alias}", summary="Point an alias at a version")
def move_alias(
    registry: Opened, caller: Known, name: str, alias: str, wanted: wire.AliasMove
) -> wire.AliasDocument:
    aliases.move(registry, aliases.Move(name, alias, wanted.version, wanted.reason), caller)
    return alias_document(registry, name, alias)


@router.delete("/v1/models/{name}/aliases/{alias}", status_code=204, summary="Remove an alias")
def remove_alias(
    registry: Opened, caller: Known, name: str, alias: str, reason: str = ""
) -> Response:
    aliases.move(registry, aliases.Move(name, alias, None, reason), caller)
    return Response(status_code=204)
