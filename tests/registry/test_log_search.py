"""The log searched: by whom, where, of what and when; and the entries found with their proofs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import event, text, update

from registry import errors
from registry.api.server import Server
from registry.core.entries import Entry
from registry.core.scope import Scope
from registry.db import log_search as rows
from registry.db.log_search import Span, Wanted
from registry.db.tables_log import LogEntry
from registry.usecases import (
    access,
    log,
    log_filing,
    log_search,
    persons,
    publish,
    reports,
    verification,
)
from registry.usecases.access import Caller, Role, Wish
from registry.usecases.log_search import When
from registry.usecases.opening import Registry
from registry.usecases.reports import Event
from tests.registry.conftest import ROOT
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

LOOP, OTHER = Caller(Role.RECONCILER, "loop"), Caller(Role.ADMIN, "loop")
ISSUER, ADA = "https://login.example.org", "ada@example.org"
HOSTS = ("edge-1", "edge-2", "edge-3")


def tell(registry: Registry, count: int = 12, by: Caller = LOOP) -> None:
    """Events in turns on three hosts, for two deployments."""
    events = [
        Event(
            f"{by.actor} {number}", ("deployed", "started")[number % 2], model="digits",
            version=number % 4 + 1, host=HOSTS[number % 3],
            deployment=f"{('production', 'staging')[number % 2]}/digits",
        )
        for number in range(count)
    ]  # fmt: skip
    reports.record_all(registry, events, by)


def found(registry: Registry, asked: Wanted, when: When = log_search.ALWAYS) -> list[int]:
    return [one.index for one in log_search.newest(registry, asked, when, limit=1000)]


QUESTIONS: tuple[dict[str, str | int], ...] = (
    {"host": "edge-2"},
    {"deployment": "staging/digits"},
    {"kind": "deployed"},
    {"model": "digits", "version": 3},
    {"version": 3},
    {"actor": "loop"},
    {"host": "edge-1", "kind": "deployed", "model": "digits"},
    {"actor": "reconciler:loop", "host": "edge-3", "deployment": "production/digits"},
    {"actor": "admin:loop", "kind": "started"},
)
HOSTILE = ("edge-9", "' OR 1=1 --", "edge%", "EDGE-1", "é\u202e")


def test_a_search_finds_what_reading_the_whole_log_finds(registry: Registry) -> None:
    tell(registry)
    tell(registry, 7, OTHER)
    everything = log_search.newest(registry, Wanted(), limit=1000)
    for asked in QUESTIONS:
        expected = [one.index for one in everything if fits(one.entry, asked)]
        assert found(registry, wanted(asked)) == expected != [], asked
    for host in HOSTILE:
        assert found(registry, Wanted(host=host)) == found(registry, Wanted(actors=(host,))) == []


def wanted(asked: dict[str, str | int]) -> Wanted:
    plain: dict[str, Any] = {name: value for name, value in asked.items() if name != "actor"}
    return Wanted(**plain, actors=(str(asked["actor"]),) if "actor" in asked else ())


def fits(entry: Entry, asked: dict[str, str | int]) -> bool:
    who = {entry.actor, entry.actor.partition(":")[2]}
    return all(
        value in who if name == "actor" else getattr(entry, name) == value
        for name, value in asked.items()
    )


def test_pages_follow_each_other_without_a_gap_or_a_doubled_entry(registry: Registry) -> None:
    tell(registry, 40)
    asked, pages, before = Wanted(host="edge-1", actors=("loop",)), list[int](), None
    while page := log_search.newest(registry, asked, When(before=before), limit=3):
        pages += [one.index for one in page]
        before = page[-1].index
    assert pages == found(registry, asked)
    assert len(pages) == 14


def test_time_cuts_the_log_at_both_ends(registry: Registry) -> None:
    tell(registry)
    size = log.size(registry)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    with registry.database.writing() as session:
        for index in range(size):
            moment = began + timedelta(minutes=index)
            session.execute(update(LogEntry).where(LogEntry.index == index).values(at=moment))
        session.commit()

    def between(since: int | None, until: int | None) -> list[int]:
        ends = [None if one is None else began + timedelta(minutes=one) for one in (since, until)]
        return found(registry, Wanted(), When(*ends))

    assert between(3, 5) == [5, 4, 3]
    assert between(None, 1) == [1, 0]
    assert between(size - 1, None) == [size - 1]
    assert between(5, 3) == []


def test_what_somebody_signed_is_found_beside_what_they_did(
    registry: Registry, alice: Publisher
) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)
    names = Wanted(actors=("alice",))
    assert found(registry, names) == [], "a machine published, with her key"
    (signed,) = found(registry, Wanted(actors=("alice",), signers=("alice",)))
    assert log_search.proven(registry, signed).leaf.count(b'"kind":"published"') == 1
    assert found(registry, Wanted(signers=("alice",), kind="deployed")) == []
    assert found(registry, Wanted(signers=("alice",), model="digits", version=1)) == [signed]


def test_a_person_is_found_by_name_until_they_are_erased(registry: Registry) -> None:
    who = persons.pseudonym_of(registry, ISSUER, "00u1", ADA)
    tell(registry, 3, Caller(Role.ADMIN, who))
    assert log_search.names_of(registry, ADA, looks_up=True) == (who,)
    assert len(found(registry, Wanted(actors=(who,)))) == 3
    with pytest.raises(errors.NotFound):
        log_search.names_of(registry, ADA, looks_up=False)
    persons.erase(registry, who, reason="asked for", by=ROOT)
    for name in (ADA, "00u1"):
        with pytest.raises(errors.NotFound):
            log_search.names_of(registry, name, looks_up=True)
    assert persons.known_as(registry, who) == ""
    assert len(found(registry, Wanted(actors=(who,)))) == 3, "the log keeps the pseudonym"


def test_what_a_release_before_wrote_is_filed_by_the_next(registry: Registry) -> None:
    tell(registry, 600)
    expected = found(registry, Wanted(host="edge-2"))
    with registry.database.writing() as session:
        nothing = dict.fromkeys(("actor_role", "actor_name", "host", "deployment"))
        session.execute(update(LogEntry).values(nothing))
        session.execute(update(LogEntry).where(LogEntry.index == 7).values(leaf=b"no JSON"))
        session.commit()
    assert found(registry, Wanted(host="edge-2")) == []
    log_filing.file_missing(registry.database, lambda: False)
    assert found(registry, Wanted(host="edge-2")) == [one for one in expected if one != 7]


def test_an_entry_filed_under_another_host_or_person_is_told_of(registry: Registry) -> None:
    tell(registry)
    with registry.database.writing() as session:
        session.execute(text("UPDATE log_entries SET host = 'edge-9' WHERE \"index\" = 2"))
        session.execute(text("UPDATE log_entries SET actor_name = 'x' WHERE \"index\" = 3"))
        session.commit()
    flaws = verification.verify(registry, registry.trust_root()).flaws
    assert any("entry 2" in str(one) and "another host" in str(one) for one in flaws)
    assert any("entry 3" in str(one) and "another actor_name" in str(one) for one in flaws)


def plans(registry: Registry, asked_for: Wanted) -> list[str]:
    """What SQLite does for each statement, step by step."""
    seen: list[tuple[str, tuple[object, ...]]] = []

    def note_down(*given: object) -> None:
        seen.append((str(given[2]), tuple(given[3])))  # type: ignore[call-overload]

    event.listen(registry.database.engine, "before_cursor_execute", note_down)
    with registry.database.reading() as session:
        rows.newest(session, asked_for, Span(0, 1_000_000), limit=50)
        asked = [one for one in seen if one[0].startswith("SELECT")]
        connection = session.connection()
        return [
            str(step[-1])
            for statement, values in asked
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_way_to_ask_is_answered_from_an_index_in_the_logs_order(registry: Registry) -> None:
    tell(registry)
    for way, index in (
        (Wanted(host="edge-1"), "ix_log_entries_host_index (host=? AND index<?)"),
        (Wanted(deployment="a/b"), "ix_log_entries_deployment_index (deployment=? AND index<?)"),
        (Wanted(kind="started"), "ix_log_entries_kind_index (kind=? AND index<?)"),
        (Wanted(model="digits"), "ix_log_entries_model_index (model=? AND index<?)"),
        (Wanted(model="a", version=1), "version_index (model=? AND version=? AND index<?)"),
        (Wanted(actors=("admin:loop",)), "actor_name_index (actor_name=? AND index<?)"),
        (Wanted(signers=("alice",)), "ix_evidence_signer_log_index (signer=? AND log_index<?)"),
        (Wanted(signers=("alice",)), "publisher_log_index (publisher=? AND log_index<?)"),
        # edge-9 is nowhere, so it leads; the kind is looked at in what that finds.
        (Wanted(kind="started", host="edge-9"), "ix_log_entries_host_index (host=? AND index<?)"),
    ):
        steps = plans(registry, way)
        assert any(index in step for step in steps), steps
        assert not [step for step in steps if "TEMP B-TREE" in step or "SCAN log" in step], steps


@dataclass(frozen=True)
class Asking:
    """A running registry, and what its API answers to somebody."""

    client: httpx2.Client

    def __call__(self, **asked: object) -> dict[str, object]:
        answer = self.client.get(f"/v1/log/entries?{urlencode(asked, doseq=True)}")
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found


def test_the_api_gives_entries_and_where_to_go_on(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    tell(server.app.state.registry)
    ask = Asking(client_of(Role.VIEWER))
    first = ask(host="edge-1", limit=3)
    second = ask(host="edge-1", limit=3, before=first["before"])
    shown = [*first["entries"], *second["entries"]]  # type: ignore[misc]
    assert {one["entry"]["host"] for one in shown} == {"edge-1"}
    assert len({one["index"] for one in shown}) == 4
    assert second["before"] is None
    assert ask(actor=["loop", "nobody"], since="2999-01-01T00:00:00Z")["entries"] == []


def test_what_cannot_be_meant_is_refused(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    client = client_of(Role.AUDITOR)
    for asked in (
        "kind=nonsense", "version=seven", "version=-1", "before=-1", "limit=0", "limit=1001",
        f"version={2**63}", "since=yesterday", "who=ada", f"host={'x' * 256}", "actor=",
        "&".join(["actor=x"] * 11),
    ):  # fmt: skip
        assert client.get(f"/v1/log/entries?{asked}").status_code == 422, asked
        assert client.get(f"/v1/log/entries.tar?{asked}").status_code == 422, asked


def test_who_signed_is_for_auditors_of_all_models_alone(
    server: Server, client_of: Callable[..., httpx2.Client], alice: Publisher
) -> None:
    registry = server.app.state.registry
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)
    assert len(Asking(client_of(Role.AUDITOR))(actor="alice")["entries"]) == 1  # type: ignore[arg-type]
    assert Asking(client_of(Role.VIEWER))(actor="alice")["entries"] == []
    wish = Wish(Role.AUDITOR, "a-1", Scope(("digits",)))
    some = access.mint_wish(registry, wish, ROOT)
    scoped = client_of()
    scoped.headers["Authorization"] = f"Bearer {some}"
    assert Asking(scoped)(actor="alice")["entries"] == []
    assert client_of(Role.HOST, "edge-1").get("/v1/log/entries").status_code == 403
    assert client_of().get("/v1/log/entries").status_code == 401
