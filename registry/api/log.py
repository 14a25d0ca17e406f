"""The public log: everything an auditor or a witness needs, open to everybody."""

import base64
from typing import Annotated

from fastapi import Body, Path, Query, Response

from registry.api import wire
from registry.api.access import Known, Opened, guarded
from registry.core import tlog_proof
from registry.usecases import log, tiles, witnessing

router = guarded("log")

_TEXT = "text/plain; charset=utf-8"
_NOTE_LIMIT = 16_384

Place = Annotated[int, Path(ge=0, lt=2**63)]
Size = Annotated[int, Query(ge=0, lt=2**63)]


@router.get("/log/checkpoint", summary="The signed checkpoint (C2SP tlog-checkpoint)")
def checkpoint(registry: Opened) -> Response:
    """With the cosignatures of witnesses that it has. Where some have cosigned it and others not
    yet, it is up to a minute behind the newest entry."""
    return Response(
        witnessing.published(registry), media_type=_TEXT, headers={"Cache-Control": "no-cache"}
    )


@router.post("/log/cosignatures", summary="Take in a witness's cosignature on a checkpoint")
def cosign(
    registry: Opened,
    _caller: Known,
    text: Annotated[str, Body(media_type="text/plain", max_length=_NOTE_LIMIT)],
) -> wire.Cosigned:
    """The body is the checkpoint with the cosignature lines (C2SP tlog-cosignature) of one or more
    witnesses of the trust root. One is kept of each; the same again changes nothing."""
    taken = witnessing.accept(registry, text)
    return wire.Cosigned(
        size=taken.size, witnesses=list(taken.witnesses), is_witnessed=taken.is_witnessed
    )


@router.get("/log/entries", summary="Leaves, from `start` on")
def entries(
    registry: Opened,
    start: Size = 0,
    limit: Annotated[int, Query(ge=1, le=log.PAGE)] = 100,
) -> wire.LogPage:
    size, leaves = log.page(registry, start=start, limit=limit)
    return wire.LogPage(
        size=size,
        entries=[wire.LogLeaf(index=index, leaf=_text(leaf)) for index, leaf in leaves],
    )


@router.get("/log/proof/{index}", summary="That an entry is in the log of `size`")
def proof(registry: Opened, index: Place, size: Size | None = None) -> wire.LogProof:
    return wire.LogProof(hashes=[_text(one) for one in log.inclusion(registry, index, size)])


@router.get(
    "/log/entries/{index}.tlog-proof", summary="Entry and proof in one file (C2SP tlog-proof)"
)
def proof_file(registry: Opened, index: Place) -> Response:
    """Its `extra` is the entry. It verifies offline, for ever, by the log's key alone."""
    name = {"Content-Disposition": f'attachment; filename="{index}{tlog_proof.SUFFIX}"'}
    text = log.proof_file(registry, index)
    return Response(text, media_type=tlog_proof.MEDIA_TYPE, headers=name)


@router.get("/log/consistency", summary="That the log of `to` entries extends that of `from`")
def consistency(
    registry: Opened,
    old: Annotated[int, Query(alias="from", ge=0, lt=2**63)],
    new: Annotated[int, Query(alias="to", ge=0, lt=2**63)],
) -> wire.LogProof:
    return wire.LogProof(hashes=[_text(one) for one in log.consistency(registry, old, new)])


@router.get("/log/tile/entries/{path:path}", summary="An entry bundle (C2SP tlog-tiles)")
def tile_of_entries(registry: Opened, path: str) -> Response:
    return _tile(tiles.entries(registry, tiles.place(path)))


@router.get("/log/tile/{level}/{path:path}", summary="A tile of hashes (C2SP tlog-tiles)")
def tile_of_hashes(
    registry: Opened, level: Annotated[int, Path(ge=0, le=7)], path: str
) -> Response:
    return _tile(tiles.hashes(registry, level, tiles.place(path)))


def _tile(content: bytes) -> Response:
    """A tile never changes, so anybody may keep it."""
    forever = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, media_type="application/octet-stream", headers=forever)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
