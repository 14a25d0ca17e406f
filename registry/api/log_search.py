"""The log searched: entries as the registry shows them, or as a file with the proof of each."""

from typing import Annotated

from fastapi import Query, Request, Response

from registry.api import wire, wire_log
from registry.api.access import Opened, guarded
from registry.core import canonical, entries
from registry.core.audit import proofs
from registry.usecases import log_search

router = guarded("log")

Question = Annotated[wire_log.LogQuestion, Query()]


@router.get("/v1/log/entries", summary="The log's entries that fit, the newest first")
def listed(registry: Opened, request: Request, question: Question) -> wire_log.LogFound:
    """By who did it, host, deployment, model, version, kind and time. As the registry shows them:
    `entries.tar` brings the same with proofs, `plimsoll audit query` checks that none is left out.
    """
    wanted = question.wanted(looks_up=log_search.may_look_up(request.state.identity))
    shown = log_search.newest(registry, wanted, question.when(), limit=question.limit + 1)
    page = shown[: question.limit]
    return wire_log.LogFound(
        entries=[
            wire.Told(
                index=one.index,
                entry=canonical.decode_object(entries.encode(one.entry), what="log entry"),
            )
            for one in page
        ],
        before=page[-1].index if len(shown) > len(page) else None,
    )


@router.get(
    "/v1/log/entries.tar",
    summary="The same entries, each with its proof, in one file",
    response_class=Response,
)
def packed(registry: Opened, request: Request, question: Question) -> Response:
    """`plimsoll audit proof --check` checks it offline, for ever, by the log's key alone. Up to
    `limit` entries; older ones are had with `before`."""
    wanted = question.wanted(looks_up=log_search.may_look_up(request.state.identity))
    proven = log_search.proofs(registry, wanted, question.when(), limit=question.limit)
    name = {"Content-Disposition": 'attachment; filename="log-entries.tar"'}
    return Response(proofs.pack(proven), media_type="application/x-tar", headers=name)
