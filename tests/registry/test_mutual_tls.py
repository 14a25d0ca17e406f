"""Hosts by their certificates, over real TLS: who gets in, who does not, and who no longer does."""

import base64
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from ipaddress import ip_network
from pathlib import Path
from typing import Self

import httpx2
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry import errors
from registry.api import tls
from registry.api.server import Server
from registry.settings import Settings
from registry.settings_access import Access
from registry.usecases import access, enrolment, hosts, peers
from registry.usecases.access import Role, Wish
from registry.usecases.enrolment import Certified
from registry.usecases.opening import Registry
from tests.registry.authorities import Ca, HostKeys, server_files, uri, write_key
from tests.registry.conftest import ROOT
from tests.registry.publishing import digest_of

EDGE = "spiffe://plimsoll.local/host/edge-1"


@dataclass
class World:
    """A registry that listens with TLS, and an authority of the test's own that it trusts too."""

    server: Server
    server_ca: Path
    folder: Path
    ca: Ca
    stack: ExitStack
    keys: HostKeys = field(default_factory=HostKeys)

    @property
    def registry(self) -> Registry:
        opened: Registry = self.server.app.state.registry
        return opened

    def enrol(self, host: str = "edge-1") -> Certified:
        token = enrolment.invite(self.registry, host, lasting=timedelta(minutes=1), by=ROOT).token
        recipient = self.keys.age_key.recipient
        request = self.keys.request()
        return enrolment.exchange(self.registry, token, request=request, recipient=recipient)

    def client(self, certificate: str) -> httpx2.Client:
        """One that shows this certificate, in PEM."""
        context = self.keys.context(self.folder, certificate, self.server_ca)
        return self.stack.enter_context(
            httpx2.Client(base_url=self.server.addresses[0], verify=context, timeout=60)
        )

    def without(self, **headers: str) -> httpx2.Client:
        """One that shows no certificate."""
        context = ssl.create_default_context(cafile=str(self.server_ca))
        url = self.server.addresses[0]
        return self.stack.enter_context(
            httpx2.Client(base_url=url, verify=context, headers=headers, timeout=60)
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    certificate, key, server_ca = server_files(tmp_path, Ca("servers"))
    ca = Ca("hosts")
    (tmp_path / "client-ca.pem").write_text(ca.pem())
    found = Access(certificate, key, client_ca=tmp_path / "client-ca.pem")
    running = Server(Settings(data_dir=tmp_path / "data", listen=("127.0.0.1:0",), access=found))
    running.start()
    with ExitStack() as stack:
        yield World(running, server_ca, tmp_path, ca, stack)
    running.stop()


def said(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json().get("detail", ""))


def test_a_host_is_known_by_its_certificate_alone(world: World) -> None:
    certified = world.enrol()
    client = world.client(certified.issued.pem)
    me = client.get("/v1/whoami").json()
    assert (me["name"], me["means"]) == ("edge-1", "certificate")
    assert me["certificate"] == certified.issued.fingerprint
    assert [grant["role"] for grant in me["grants"]] == ["host"]
    assert client.post("/v1/models", json={"name": "digits"}).status_code == 403


def test_a_host_tells_only_of_itself(world: World) -> None:
    client = world.client(world.enrol().issued.pem)
    told = {"id": "1", "kind": "loaded", "model": "digits", "host": "edge-1"}
    assert client.post("/v1/events", json=told).status_code == 201
    other = told | {"id": "2", "host": "edge-2"}
    assert client.post("/v1/events", json=other).status_code == 403


def test_without_a_certificate_a_token_does_over_tls_as_ever(world: World) -> None:
    assert world.without().get("/v1/models").status_code == 401
    token = access.mint(world.registry, role=Role.PUBLISHER, name="ci", by=ROOT)
    client = world.without(Authorization=f"Bearer {token}")
    content = b"x" * 300_000
    assert client.post("/v1/blobs", content=content).status_code < 500
    location = client.post("/v1/uploads").headers["location"]
    client.put(f"{location}?digest={digest_of(content)}", content=content).raise_for_status()
    assert client.get(f"/v1/blobs/{digest_of(content)}").content == content


BAD: dict[str, tuple[list[x509.GeneralName], str]] = {
    "no URI": ([x509.DNSName("edge-1")], "has 0 URIs"),
    "two URIs": ([uri(EDGE), uri(EDGE.replace("1", "2"))], "has 2 URIs"),
    "another trust domain": ([uri("spiffe://evil.example/host/edge-1")], "no host of"),
    "not a host": ([uri("spiffe://plimsoll.local/admin/edge-1")], "no host of"),
    "a path below": ([uri(EDGE + "/more")], "no host of"),
    "a query": ([uri(EDGE + "?a=b")], "no host of"),
    "another scheme": ([uri("https://plimsoll.local/host/edge-1")], "no host of"),
    "a port": ([uri("spiffe://plimsoll.local:443/host/edge-1")], "no host of"),
    "upper case": ([uri("spiffe://plimsoll.local/host/Edge-1")], "no host of"),
    "nobody enrolled": ([uri(EDGE.replace("edge-1", "edge-9"))], "is not enrolled"),
}


@pytest.mark.parametrize("flaw", BAD)
def test_a_certificate_that_does_not_name_an_enrolled_host_opens_nothing(
    world: World, flaw: str
) -> None:
    world.enrol()
    names, words = BAD[flaw]
    client = world.client(world.ca.certify(world.keys.key, names))
    status, detail = said(client.get("/v1/models"))
    assert status == 401
    assert words in detail


def test_a_certificate_of_a_trusted_authority_names_an_enrolled_host(world: World) -> None:
    world.enrol()
    client = world.client(world.ca.certify(world.keys.key, [uri(EDGE)]))
    assert client.get("/v1/whoami").json()["name"] == "edge-1"


@pytest.mark.parametrize(
    ("since", "lasting"),
    [(timedelta(hours=-2), timedelta(hours=1)), (timedelta(hours=1), timedelta(hours=1))],
    ids=["expired", "not yet valid"],
)
def test_tls_itself_refuses_what_is_out_of_its_time(
    world: World, since: timedelta, lasting: timedelta
) -> None:
    world.enrol()
    bad = world.ca.certify(world.keys.key, [uri(EDGE)], since=since, lasting=lasting)
    with pytest.raises(httpx2.HTTPError):
        world.client(bad).get("/v1/models")


def test_tls_itself_refuses_another_authority_and_another_use(world: World) -> None:
    world.enrol()
    foreign = Ca("hosts").certify(world.keys.key, [uri(EDGE)])
    server_only = world.ca.certify(world.keys.key, [uri(EDGE)], use=ExtendedKeyUsageOID.SERVER_AUTH)
    for bad in (foreign, server_only):
        with pytest.raises(httpx2.HTTPError):
            world.client(bad).get("/v1/models")


def test_a_revoked_host_is_refused_on_the_connection_it_has_open(world: World) -> None:
    client = world.client(world.enrol().issued.pem)
    assert client.get("/v1/models").status_code == 200
    hosts.revoke(world.registry, "edge-1", reason="stolen", by=ROOT)
    status, detail = said(client.get("/v1/models"))
    assert status == 401
    assert "turned out" in detail


class Tomorrow(datetime):
    """A clock that is a day ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(days=1)


def test_a_connection_does_not_outlive_its_certificate(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enrol()
    client = world.client(world.ca.certify(world.keys.key, [uri(EDGE)]))
    assert client.get("/v1/models").status_code == 200
    monkeypatch.setattr(peers, "datetime", Tomorrow)
    end = time.monotonic() + 60
    # Who was recognised a moment ago is remembered for a moment.
    while (answer := client.get("/v1/models")).status_code == 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    status, detail = said(answer)
    assert status == 401
    assert "is valid from" in detail


def test_enrolling_anew_ends_the_certificates_from_before(world: World) -> None:
    old = world.ca.certify(world.keys.key, [uri(EDGE)], since=timedelta(minutes=-10))
    world.enrol()
    status, detail = said(world.client(old).get("/v1/models"))
    assert status == 401
    assert "enrolled anew" in detail


def test_a_host_renews_its_certificate_with_the_present_one(world: World) -> None:
    first = world.enrol()
    client = world.client(first.issued.pem)
    body = {"certificateRequest": world.keys.request()}
    renewed = client.post("/v1/hosts/edge-1/certificate", json=body)
    assert renewed.status_code == 201, renewed.text
    assert renewed.json()["uri"] == EDGE
    assert world.client(renewed.json()["certificate"]).get("/v1/models").status_code == 200
    row = hosts.listed(world.registry)[0]
    assert row.fingerprint != first.issued.fingerprint
    assert client.post("/v1/hosts/edge-2/certificate", json=body).status_code == 403


def test_a_token_alone_renews_nothing(world: World) -> None:
    world.enrol()
    token = access.mint(world.registry, role=Role.HOST, name="edge-1", by=ROOT)
    client = world.without(Authorization=f"Bearer {token}")
    body = {"certificateRequest": world.keys.request()}
    assert client.post("/v1/hosts/edge-1/certificate", json=body).status_code == 403


def test_a_bound_token_is_good_only_with_its_certificate(world: World) -> None:
    certified = world.enrol()
    wish = Wish(Role.HOST, "edge-1", certificate=certified.issued.fingerprint)
    header = {"Authorization": f"Bearer {access.mint_wish(world.registry, wish, ROOT)}"}
    holder, thief = world.client(certified.issued.pem), world.without()
    for _ in range(2):  # the second time it is remembered
        assert holder.get("/v1/models", headers=header).status_code == 200
        assert thief.get("/v1/models", headers=header).status_code == 401
    other = world.client(world.enrol("edge-2").issued.pem)
    assert other.get("/v1/models", headers=header).status_code == 401


def client_cert(pem: str) -> str:
    """RFC 9440."""
    return f":{base64.b64encode(ssl.PEM_cert_to_DER_cert(pem)).decode()}:"


def test_a_header_that_names_a_certificate_is_worth_nothing(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    registry: Registry = server.app.state.registry
    keys = HostKeys()
    token = enrolment.invite(registry, "edge-1", lasting=timedelta(minutes=1), by=ROOT).token
    certified = enrolment.exchange(
        registry, token, request=keys.request(), recipient=keys.age_key.recipient
    )
    header = {"Client-Cert": client_cert(certified.issued.pem)}
    assert client_of().get("/v1/models", headers=header).status_code == 401


def test_from_a_trusted_proxy_the_header_counts_if_it_is_our_authoritys(tmp_path: Path) -> None:
    proxies = (ip_network("127.0.0.1"),)
    found = Settings(
        data_dir=tmp_path / "data", listen=("127.0.0.1:0",), access=Access(proxies=proxies)
    )
    running = Server(found)
    running.start()
    world = World(running, tmp_path, tmp_path, Ca(), ExitStack())
    pem = world.enrol().issued.pem
    forged = world.ca.certify(world.keys.key, [uri(EDGE)])
    with httpx2.Client(base_url=running.addresses[0]) as client:
        asked = {"Client-Cert": client_cert(pem), "X-Forwarded-For": "203.0.113.9"}
        assert client.get("/v1/whoami", headers=asked).json()["name"] == "edge-1"
        for bad in (client_cert(forged), client_cert(pem)[1:], "::", ":!:", "x"):
            answer = client.get("/v1/whoami", headers={"Client-Cert": bad})
            assert answer.status_code == 401, bad
        twice = [("Client-Cert", client_cert(pem)), ("Client-Cert", client_cert(pem))]
        assert client.get("/v1/whoami", headers=twice).status_code == 401
    running.stop()


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    certificate, key, _ = server_files(tmp_path, Ca())
    key.chmod(0o644)
    with pytest.raises(errors.InvalidConfig, match="lets others read"):
        tls.context(Access(certificate, key), "")


def test_a_certificate_without_its_key_is_a_configuration_error(tmp_path: Path) -> None:
    certificate, key, _ = server_files(tmp_path, Ca())
    with pytest.raises(errors.InvalidConfig, match="one is set and one is not"):
        tls.context(Access(certificate), "")
    write_key(key, HostKeys().key)
    with pytest.raises(errors.InvalidConfig, match="make no TLS server"):
        tls.context(Access(certificate, key), Ca().pem())
    assert tls.context(Access(), "") is None
