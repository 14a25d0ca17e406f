"""Enrolled hosts: their keys, and being turned out for good."""

from collections.abc import Callable

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import age
from registry.db.engine import Session
from registry.usecases import catalogue, hosts
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.conftest import ROOT

RECIPIENT = age.Identity(bytes(range(32))).recipient
OTHER = age.Identity(bytes(range(1, 33))).recipient


def enrol(registry: Registry, name: str, recipient: str = RECIPIENT) -> None:
    with registry.database.writing() as session:
        hosts.enrol(session, registry, hosts.Identity(name, recipient), actor=ROOT.actor)
        session.commit()


def asked(registry: Registry, question: Callable[[Session, str], object], host: str) -> object:
    with registry.database.reading() as session:
        return question(session, host)


def test_a_revoked_host_has_no_recipient_until_it_enrols_again(registry: Registry) -> None:
    assert asked(registry, hosts.recipient, "edge-1") is None
    assert asked(registry, hosts.is_revoked, "edge-1") is False
    enrol(registry, "edge-1")
    assert asked(registry, hosts.recipient, "edge-1") == RECIPIENT
    for _ in range(2):
        hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
    assert asked(registry, hosts.recipient, "edge-1") is None
    assert asked(registry, hosts.is_revoked, "edge-1") is True
    entry = catalogue.latest(registry, limit=1)[0].entry
    assert (entry.kind, entry.host, entry.reason) == ("host_revoked", "edge-1", "stolen")
    enrol(registry, "edge-1", OTHER)
    assert asked(registry, hosts.recipient, "edge-1") == OTHER
    assert asked(registry, hosts.is_revoked, "edge-1") is False


@pytest.mark.parametrize(
    "text", ["", "age1", "age1" + "q" * 58, RECIPIENT[:-1], RECIPIENT + "q", "ssh-ed25519 AAAA"]
)
def test_what_is_no_x25519_recipient_is_not_taken(registry: Registry, text: str) -> None:
    with pytest.raises(errors.InvalidInput, match="recipient"):
        enrol(registry, "edge-1", text)
    assert hosts.listed(registry) == []


def test_hosts_are_listed_page_by_page(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    for name in ("edge-1", "edge-2", "edge-3"):
        enrol(server.app.state.registry, name)
    admin = client_of(Role.ADMIN, "root")
    first = admin.get("/v1/hosts", params={"maxResults": 2}).json()
    rest = admin.get("/v1/hosts", params={"pageToken": first["nextPageToken"]}).json()
    names = [host["name"] for page in (first, rest) for host in page["hosts"]]
    assert names == ["edge-1", "edge-2", "edge-3"]
    assert rest["nextPageToken"] is None


def test_an_operator_turns_a_host_out_and_a_publisher_does_not(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    enrol(server.app.state.registry, "edge-1")
    assert client_of(Role.PUBLISHER).delete("/v1/hosts/edge-1").status_code == 403
    operator = client_of(Role.OPERATOR, "olga")
    assert operator.delete("/v1/hosts/edge-1", params={"reason": "sold"}).status_code == 204
    assert operator.delete("/v1/hosts/edge-9").status_code == 404
    assert asked(server.app.state.registry, hosts.is_revoked, "edge-1") is True
