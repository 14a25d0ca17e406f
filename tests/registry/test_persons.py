"""Persons in the log: a pseudonym that can be resolved until it is erased, and never after."""

import threading
from collections.abc import Callable

import httpx2
import pytest

from registry import errors
from registry.api.server import Server
from registry.core import pseudonym
from registry.db import dump
from registry.db import log as log_rows
from registry.usecases import access, persons
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry.conftest import ROOT

ISSUER, ALICE = "https://login.example.org", "alice@example.org"


def named(registry: Registry, subject: str = "00u1") -> str:
    return persons.pseudonym_of(registry, ISSUER, subject, ALICE)


def test_a_person_keeps_one_pseudonym_and_another_has_another(registry: Registry) -> None:
    first = named(registry)
    assert pseudonym.is_one(first)
    assert named(registry) == first
    assert named(registry, "00u2") != first
    assert persons.pseudonym_of(registry, "https://other.example", "00u1", ALICE) != first


def test_many_first_requests_at_once_make_one_pseudonym(registry: Registry) -> None:
    found: list[str] = []
    ready = threading.Barrier(6)

    def ask() -> None:
        ready.wait()
        found.append(named(registry))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_after_erasure_nothing_leads_from_the_pseudonym_to_the_person(registry: Registry) -> None:
    before = named(registry)
    by = Caller(Role.ADMIN, before)
    assert persons.called(registry, ALICE)[0].pseudonym == before
    persons.erase(registry, before, reason="asked for", by=by)
    for text in (before, ALICE, "00u1"):
        with pytest.raises(errors.NotFound):
            persons.called(registry, text)
    with registry.database.reading() as session:
        everything = b"".join(leaf for _, leaf in log_rows.leaves(session, start=0, stop=100))
        for table in dump.tables():
            everything += repr(list(dump.rows(session, table))).encode()
    assert ALICE.encode() not in everything
    assert before.encode() in everything, "what they did stays on record"
    assert named(registry) != before, "with the salt gone, not even the registry can make it again"
    with pytest.raises(errors.NotFound):
        persons.erase(registry, before, reason="again", by=by)


def test_the_same_person_under_another_salt_is_somebody_else() -> None:
    one, other = bytes(32), bytes(31) + b"\x01"
    assert pseudonym.of(ISSUER, "00u1", one) != pseudonym.of(ISSUER, "00u1", other)
    assert pseudonym.of("ab", "c", one) != pseudonym.of("a", "bc", one)


def test_a_token_cannot_be_called_like_a_pseudonym(registry: Registry) -> None:
    with pytest.raises(errors.InvalidName, match="pseudonym"):
        access.mint(registry, role=Role.HOST, name="p-0123456789abcdef", by=ROOT)


def test_an_auditor_looks_a_person_up_and_an_admin_has_them_forgotten(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    found = named(server.app.state.registry)
    auditor, admin = client_of(Role.AUDITOR, "eve"), client_of(Role.ADMIN, "root")
    shown = auditor.post("/v1/persons/find", json={"called": ALICE}).json()["persons"]
    assert [(one["pseudonym"], one["subject"]) for one in shown] == [(found, "00u1")]
    why = {"reason": "left"}
    assert auditor.request("DELETE", f"/v1/persons/{found}", json=why).status_code == 403
    assert admin.request("DELETE", f"/v1/persons/{found}", json=why).status_code == 204
    assert auditor.post("/v1/persons/find", json={"called": ALICE}).status_code == 404
    assert (
        client_of(Role.PUBLISHER).post("/v1/persons/find", json={"called": "x"}).status_code == 403
    )
