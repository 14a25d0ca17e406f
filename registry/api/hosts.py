"""Hosts: letting one in by a one-time token, renewing its certificate, turning it out."""

from datetime import timedelta
from typing import Annotated

from fastapi import Header, Query, Request, Response

from registry.api import credentials, wire_host_reports
from registry.api import wire_access as wire
from registry.api.access import Known, Opened, guarded
from registry.usecases import enrolment, host_reports, hosts

router = guarded("hosts")


@router.get("/v1/hosts", summary="Enrolled hosts, by name; revoked ones too")
def list_hosts(
    registry: Opened,
    max_results: Annotated[int, Query(alias="maxResults", ge=1, le=1000)] = 100,
    page_token: Annotated[str, Query(alias="pageToken", max_length=128)] = "",
) -> wire.HostList:
    """`nextPageToken` leads on; there is none on the last page."""
    found = hosts.listed(registry, after=page_token, limit=max_results + 1)
    shown = found[:max_results]
    return wire.HostList(
        hosts=[wire.host_document(row) for row in shown],
        next_page_token=shown[-1].name if len(found) > len(shown) else None,
    )


@router.put("/v1/hosts/{host}/report", status_code=204, summary="Tell what a host has and holds")
def report(
    registry: Opened, caller: Known, host: str, told: wire_host_reports.NewHostReport
) -> Response:
    """It replaces what was told of the host before. Lines of erased versions are not kept."""
    host_reports.tell(registry, host, wire_host_reports.report(told), by=caller)
    return Response(status_code=204)


@router.delete("/v1/hosts/{host}", status_code=204, summary="Turn a host out")
def revoke(
    registry: Opened,
    caller: Known,
    host: str,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """Its certificate and its tokens are refused from the next request on, by other replicas some
    seconds later; nothing more is encrypted to it. It may enrol again with a new one-time token."""
    hosts.revoke(registry, host, reason=reason, by=caller)
    return Response(status_code=204)


@router.post(
    "/v1/hosts/{host}/invitation", status_code=201, summary="A one-time token to enrol with"
)
def invite(
    registry: Opened, caller: Known, host: str, wish: wire.NewInvitation | None = None
) -> wire.InvitationDocument:
    """It is shown once; earlier ones for this host are good no more."""
    asked = wish.minutes if wish is not None else None
    minutes = registry.settings.access.enrolment_minutes if asked is None else asked
    made = enrolment.invite(registry, host, lasting=timedelta(minutes=minutes), by=caller)
    return wire.InvitationDocument(host=made.host, token=made.token, expires_at=made.expires_at)


@router.post("/v1/enrol", status_code=201, summary="Enrol with a one-time token")
def enrol(
    request: Request,
    registry: Opened,
    new: wire.NewEnrolment,
    authorization: Annotated[str, Header()] = "",
) -> wire.CertifiedDocument:
    """The host is the one the token was made for. It sends `Authorization: Bearer ple_…`, a
    request for a certificate of its P-256 key, and the key that files for it are encrypted to."""
    token = authorization.partition(" ")[2].strip()
    with credentials.guess(request):
        certified = enrolment.exchange(
            registry, token, request=new.certificate_request, recipient=new.recipient
        )
    return wire.certified_document(certified)


@router.post(
    "/v1/hosts/{host}/certificate", status_code=201, summary="Renew the certificate one calls with"
)
def renew(
    registry: Opened, caller: Known, host: str, new: wire.NewCertificate
) -> wire.CertifiedDocument:
    """Over mutual TLS, with the present certificate, which stays good until it ends."""
    certified = enrolment.renew(registry, host, request=new.certificate_request, by=caller)
    return wire.certified_document(certified)
