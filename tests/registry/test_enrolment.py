"""Enrolling by a one-time token: once, in time, by whoever has it; every misuse by its name."""

import stat
import threading
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry import errors
from registry.api.server import Server
from registry.usecases import access, catalogue, enrolment, hosts
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.authorities import HostKeys
from tests.registry.conftest import ROOT

HOUR = timedelta(hours=1)
NOBODY = "ple_0000000000000000_" + "A" * 43


def enrolled(registry: Registry, token: str, keys: HostKeys) -> enrolment.Certified:
    recipient = keys.age_key.recipient
    return enrolment.exchange(registry, token, request=keys.request(), recipient=recipient)


def test_a_host_gets_a_short_certificate_in_its_own_name_and_nothing_else(
    registry: Registry,
) -> None:
    keys = HostKeys()
    invitation = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT)
    certified = enrolled(registry, invitation.token, keys)
    found = x509.load_pem_x509_certificate(certified.issued.pem.encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uses = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert [one.value for one in names] == ["spiffe://plimsoll.local/host/edge-1"]
    assert [*uses] == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not basic.ca
    assert found.public_key() == keys.key.public_key()
    assert found.not_valid_after_utc - found.not_valid_before_utc <= timedelta(hours=24, minutes=1)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(certified.authority.encode()))
    row = hosts.listed(registry)[0]
    assert (row.name, row.recipient) == ("edge-1", keys.age_key.recipient)
    assert row.fingerprint == certified.issued.fingerprint
    told = [one.entry for one in catalogue.latest(registry, limit=2)]
    assert [entry.kind for entry in told] == ["host_enrolled", "host_invited"]
    assert (told[0].host, told[0].actor) == ("edge-1", "host:edge-1")


def test_a_token_that_was_used_is_refused_by_name(registry: Registry) -> None:
    invitation = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT)
    enrolled(registry, invitation.token, HostKeys())
    with pytest.raises(errors.EnrolmentUsed, match=r"edge-1.*was used at"):
        enrolled(registry, invitation.token, HostKeys())


def test_of_many_who_show_the_token_at_once_one_is_enrolled(registry: Registry) -> None:
    token = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    outcomes: list[str] = []
    ready = threading.Barrier(8)

    def try_it() -> None:
        keys = HostKeys()
        ready.wait()
        try:
            enrolled(registry, token, keys)
        except errors.PlimsollError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("in")

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["enrolment_used"] * 7 + ["in"]


def test_a_token_is_good_until_it_expires(registry: Registry) -> None:
    token = enrolment.invite(registry, "edge-1", lasting=timedelta(0), by=ROOT).token
    with pytest.raises(errors.Unauthenticated, match="expired"):
        enrolled(registry, token, HostKeys())
    assert hosts.listed(registry) == []


def test_a_newer_token_for_the_same_host_ends_the_older_one(registry: Registry) -> None:
    first = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    second = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    with pytest.raises(errors.Unauthenticated):
        enrolled(registry, first, HostKeys())
    assert enrolled(registry, second, HostKeys()).host == "edge-1"


def test_a_revoked_host_does_not_come_in_with_a_token_made_before(registry: Registry) -> None:
    enrolled(
        registry, enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token, HostKeys()
    )
    waiting = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
    with pytest.raises(errors.Unauthenticated):
        enrolled(registry, waiting, HostKeys())


def test_a_bad_request_does_not_use_the_token_up(registry: Registry) -> None:
    token = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    keys = HostKeys()
    for request, recipient in (
        (keys.request(), "age1nobody"),
        ("", keys.age_key.recipient),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", keys.age_key.recipient),
        (HostKeys(ec.generate_private_key(ec.SECP384R1())).request(), keys.age_key.recipient),
        (keys.request(signed_by=HostKeys().key), keys.age_key.recipient),
    ):
        with pytest.raises(errors.InvalidInput):
            enrolment.exchange(registry, token, request=request, recipient=recipient)
    assert enrolled(registry, token, keys).host == "edge-1"


@pytest.mark.parametrize("token", ["", "ple_", NOBODY, NOBODY.replace("ple", "plm"), "ple_' OR 1"])
def test_what_is_no_token_enrols_nobody(registry: Registry, token: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        enrolled(registry, token, HostKeys())


def test_the_right_id_with_another_secret_enrols_nobody(registry: Registry) -> None:
    token = enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    with pytest.raises(errors.Unauthenticated):
        enrolled(registry, other, HostKeys())


def test_over_http_the_token_is_shown_once_and_a_replay_is_403(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    operator, anybody = client_of(Role.OPERATOR, "olga"), client_of()
    made = operator.post("/v1/hosts/edge-1/invitation", json={"minutes": 5})
    assert made.status_code == 201
    anybody.headers["Authorization"] = f"Bearer {made.json()['token']}"
    body = HostKeys().body()
    first, second = (anybody.post("/v1/enrol", json=body) for _ in range(2))
    assert (first.status_code, first.json()["host"]) == (201, "edge-1")
    assert (second.status_code, second.json()["code"]) == (403, "enrolment_used")
    assert anybody.get("/v1/models").status_code == 401, "it enrols, and opens nothing else"
    assert client_of(Role.PUBLISHER).post("/v1/hosts/edge-2/invitation").status_code == 403


def test_the_authority_is_a_file_that_only_we_may_read_and_stays_the_same(
    registry: Registry,
) -> None:
    file = registry.settings.data_dir / "keys" / "host-ca.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in file.read_bytes()
    assert "PRIVATE" not in registry.hosts_authority.pem


def test_a_revoked_host_is_given_no_token_and_its_tokens_open_nothing(
    registry: Registry,
) -> None:
    token = access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)
    enrolled(
        registry, enrolment.invite(registry, "edge-1", lasting=HOUR, by=ROOT).token, HostKeys()
    )
    assert access.recognise(registry, token).name == "edge-1"
    hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT)
    assert access.remembered(registry, token) is None
    with pytest.raises(errors.Unauthenticated):
        access.recognise(registry, token)
    with pytest.raises(errors.Forbidden, match="turned out"):
        access.mint(registry, role=Role.HOST, name="edge-1", by=ROOT)


def test_no_host_can_be_called_what_watermarks_call_the_owner(registry: Registry) -> None:
    with pytest.raises(errors.InvalidName, match="reserved"):
        enrolment.invite(registry, "owner", lasting=HOUR, by=ROOT)
    with pytest.raises(errors.InvalidName, match="reserved"):
        access.mint(registry, role=Role.HOST, name="owner", by=ROOT)
