"""Models, versions, variants, lineage and aliases."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from registry.api import wire, wire_lineage, wire_models, wire_search
from registry.api.access import Known, Opened, guarded
from registry.core.oms import File
from registry.usecases import (
    aliases,
    annotate,
    catalogue,
    documents,
    lineage,
    listing,
    publish,
    pull,
    scoping,
)
from registry.usecases.checking import Draft
from registry.usecases.opening import Registry

router = guarded("models")

Number = Annotated[int, Path(gt=0, lt=2**63)]


@router.post("/v1/models", status_code=201, summary="Make a model that has no version yet")
def create_model(
    registry: Opened, caller: Known, new: wire_models.NewModel
) -> wire_models.ModelDocument:
    edit = annotate.Edit(
        description=new.description or None,
        owner=new.owner or None,
        display_name=new.display_name or None,
        project=new.project or None,
        tags=new.tags,
    )
    scoping.require(registry, caller, new.name, project=new.project)
    annotate.create_model(registry, new.name, edit, caller)
    return model(registry, new.name)


@router.get("/v1/models/{name}", summary="One model, its newest versions and its aliases")
def model(registry: Opened, name: str) -> wire_models.ModelDocument:
    return wire_models.model_document(catalogue.model(registry, name))


@router.patch("/v1/models/{name}", summary="Change what may be changed of a model")
def change_model(
    registry: Opened, caller: Known, name: str, edit: wire_models.ModelEdit
) -> wire_models.ModelDocument:
    changed = annotate.Edit(
        description=edit.description,
        owner=edit.owner,
        display_name=edit.display_name,
        project=edit.project,
        tags=edit.tags,
    )
    if edit.project is not None:
        # Whoever moves a model into another project gives it away, or takes it.
        scoping.require_everything(caller)
    if edit.display_name:
        scoping.require_named(registry, caller, edit.display_name)
    annotate.change_model(registry, name, changed, caller)
    return model(registry, name)


@router.post(
    "/v1/models/{name}/versions",
    status_code=201,
    summary="Publish a version of uploaded files",
    response_model=wire_models.VersionDocument,
)
def publish_version(
    registry: Opened, caller: Known, name: str, new: wire_models.NewVersion
) -> Response:
    """Inspects the files, checks the publisher's signature, signs, records: all or nothing.

    Publishing the very same version again answers 200 with it; other files under the same
    number answer 409.
    """
    draft = Draft(
        model=name,
        version=new.version,
        format=new.format,
        files=_files(new.files),
        publisher_bundle=new.publisher_bundle,
        signature=wire_models.signature_of(new),
        facts=wire_models.facts_of(new.metadata),
        variant=new.variant,
        watermark=new.watermark,
    )
    return _answer(publish.publish(registry, draft, caller))


@router.get(
    "/v1/models/{name}/versions/{version}",
    summary="One version",
    response_model=wire_models.VersionDocument,
)
def version(registry: Opened, name: str, version: Number) -> Response:
    found = catalogue.document(registry, name, version)
    if isinstance(found, str):
        return wire.ready(found)
    document = wire_models.version_document(found.version, found.evidence)
    return wire.ready(document.model_dump_json(by_alias=True))


@router.patch(
    "/v1/models/{name}/versions/{version}", summary="Change what may be changed of a version"
)
def change_version(
    registry: Opened, caller: Known, name: str, version: Number, edit: wire_models.VersionEdit
) -> wire_models.VersionDocument:
    """Files, metrics, parameters, data sets and lineage never change."""
    changed = annotate.Edit(
        description=edit.description, owner=edit.owner, card=edit.card, tags=edit.tags
    )
    annotate.change_version(registry, name, version, changed, caller)
    found = catalogue.shown(registry, name, version)
    return wire_models.version_document(found.version, found.evidence)


@router.post(
    "/v1/models/{name}/versions/{version}/variants",
    status_code=201,
    summary="Add the same version in another format",
    response_model=wire_models.VersionDocument,
)
def add_variant(
    registry: Opened, caller: Known, name: str, version: Number, new: wire_models.NewVariant
) -> Response:
    """It is checked, signed and logged like a version; adding the very same again answers 200."""
    draft = Draft(
        model=name,
        version=version,
        format=new.format,
        files=_files(new.files),
        publisher_bundle=new.publisher_bundle,
        signature=wire_models.signature_of(new),
        variant=new.variant,
        watermark=new.watermark,
    )
    return _answer(publish.add_variant(registry, draft, caller))


@router.get("/v1/models/{name}/versions/{version}/card", summary="The model card, as it came")
def card(registry: Opened, name: str, version: Number) -> wire_models.CardDocument:
    return wire_models.CardDocument(card=catalogue.card(registry, name, version))


@router.get(
    "/v1/models/{name}/versions/{version}/lineage",
    summary="What a version was made of, and what was made of it",
)
def trace(
    registry: Opened,
    name: str,
    version: Number,
    depth: Annotated[int, Query(ge=1, le=lineage.DEPTH)] = lineage.DEPTH,
) -> wire_lineage.LineageDocument:
    return wire_lineage.lineage_document(lineage.trace(registry, name, version, depth=depth))


@router.get(
    "/v1/models/{name}/versions/{version}/bundle",
    summary="The pull envelope: manifest, signatures, proof of the log",
)
def bundle(
    registry: Opened,
    caller: Known,
    name: str,
    version: Number,
    variant: str = "",
    digest: str = "",
) -> Response:
    """Of the variant with this name or digest; where none has it, of the first.

    A host's call is recorded in the log before it is answered.
    """
    content = pull.bundle(registry, pull.Asked(name, version, variant, digest), caller)
    return Response(content, media_type="application/json")


@router.get("/v1/models/{name}/aliases/{alias}", summary="Where an alias points, and its history")
def find_alias(
    registry: Opened, name: str, alias: str, paging: Annotated[wire_search.Paging, Query()]
) -> wire.AliasDocument:
    return alias_document(registry, name, alias, paging)


def alias_document(
    registry: Registry, name: str, alias: str, paging: wire_search.Paging
) -> wire.AliasDocument:
    found, history = listing.moves(
        registry, name, alias, limit=paging.max_results, token=paging.page_token
    )
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
            for change in history.items
        ],
        next_page_token=history.token,
    )


@router.put("/v1/models/{name}/aliases/{alias}", summary="Point an alias at a version")
def move_alias(
    registry: Opened, caller: Known, name: str, alias: str, wanted: wire.AliasMove
) -> wire.AliasDocument:
    move = aliases.Move(name, alias, wanted.version, wanted.reason, wanted.expected)
    aliases.move(registry, move, caller)
    return alias_document(registry, name, alias, wire_search.Paging())


@router.delete("/v1/models/{name}/aliases/{alias}", status_code=204, summary="Remove an alias")
def remove_alias(
    registry: Opened,
    caller: Known,
    name: str,
    alias: str,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    aliases.move(registry, aliases.Move(name, alias, None, reason), caller)
    return Response(status_code=204)


def _files(listed: list[wire_models.FileEntry]) -> tuple[File, ...]:
    return tuple(File(file.path, file.digest, file.size) for file in listed)


def _answer(published: publish.Published) -> Response:
    status = HTTPStatus.CREATED if published.is_new else HTTPStatus.OK
    return wire.ready(published.document + documents.UNASKED, status)
