"""Hosts that look after themselves: one agent each, until it lets go, and only of itself."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Self

import httpx2
import pytest

from registry import errors
from registry.core import entries
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import agents as rows
from registry.db import clock
from registry.db.engine import Session
from registry.db.tables_agents import Agent
from registry.usecases import access, agents, reports, steering
from registry.usecases.access import Caller, Role, Wish
from registry.usecases.opening import Registry
from tests.registry.conftest import ROOT

EDGE = Caller(Role.AGENT, "edge-1")
OPERATOR = Caller(Role.OPERATOR, "olga")
MINE, OTHER = "agent-edge-1-aaaa", "agent-edge-1-bbbb"


def claim(registry: Registry, holder: str = MINE, epoch: int | None = None) -> agents.Claim:
    return agents.tell(registry, "edge-1", {"commit": "c"}, holder=holder, epoch=epoch, by=EDGE)


def test_a_host_is_its_agents_without_an_end(registry: Registry) -> None:
    first = claim(registry)
    again = claim(registry, epoch=first.epoch)
    assert (again.epoch, again.claimed_at) == (first.epoch, first.claimed_at)
    granted = steering.renew(registry, holder="central-1", hosts=["edge-1"], seconds=300)
    assert (granted.held, granted.refused) == ({}, {"edge-1": MINE})


def test_a_second_machine_of_the_same_name_is_refused(registry: Registry) -> None:
    claim(registry)
    with pytest.raises(errors.Conflict, match=f"edge-1 is looked after by {MINE}"):
        claim(registry, OTHER)


def test_an_agent_gets_no_host_that_a_reconciler_has_a_lease_on(registry: Registry) -> None:
    steering.renew(registry, holder="central-1", hosts=["edge-1"], seconds=300)
    with pytest.raises(errors.Conflict, match="looked after by central-1"):
        claim(registry)
    steering.release(registry, holder="central-1")
    assert claim(registry).holder == MINE


def test_an_agent_that_lets_go_is_no_agent_any_more(registry: Registry) -> None:
    claim(registry)
    agents.release(registry, "edge-1", holder=OTHER, reason="", by=EDGE)
    assert [one.host for one in agents.listed(registry, after=None).agents] == ["edge-1"]
    agents.release(registry, "edge-1", holder=MINE, reason="", by=EDGE)
    assert agents.listed(registry, after=None).agents == []
    granted = steering.renew(registry, holder="central-1", hosts=["edge-1"], seconds=300)
    assert granted.held == {"edge-1": 2}


def test_one_that_was_let_go_finds_out_and_does_not_come_back_by_itself(
    registry: Registry,
) -> None:
    epoch = claim(registry).epoch
    agents.release(registry, "edge-1", holder="", reason="it burnt", by=OPERATOR)
    with pytest.raises(errors.Conflict, match="not agent-edge-1-aaaa's own any more"):
        claim(registry, epoch=epoch)
    with pytest.raises(errors.Conflict, match="has no lease on edge-1"):
        reports.record(registry, starting("edge-1"), EDGE, holder=MINE)


def test_whoever_lets_an_agent_go_says_why(registry: Registry) -> None:
    claim(registry)
    with pytest.raises(errors.InvalidInput, match="a reason is needed"):
        agents.release(registry, "edge-1", holder="", reason=" ", by=OPERATOR)


def starting(host: str, name: str = "one") -> reports.Event:
    return reports.Event(id=name, kind="starting", host=host, deployment="production/digits")


def test_an_agent_tells_of_its_own_host_only(registry: Registry) -> None:
    with pytest.raises(errors.Forbidden, match="its own host only"):
        agents.tell(registry, "edge-2", {}, holder=MINE, epoch=None, by=EDGE)
    for host in ("edge-2", ""):
        with pytest.raises(errors.Forbidden, match="its own host only"):
            reports.record(registry, starting(host), EDGE)
    assert reports.record(registry, starting("edge-1"), EDGE).is_new


def test_an_agent_cannot_silence_others_by_telling_first(registry: Registry) -> None:
    reports.record(registry, starting("edge-1"), EDGE)
    assert reports.record(registry, starting("edge-1"), ROOT).is_new
    assert not reports.record(registry, starting("edge-1"), EDGE).is_new


def test_an_agent_mints_its_own_hosts_token_only(registry: Registry) -> None:
    assert access.mint(registry, role=Role.HOST, name="edge-1", by=EDGE)
    for role, name in ((Role.HOST, "edge-2"), (Role.AGENT, "edge-1"), (Role.ADMIN, "edge-1")):
        with pytest.raises(errors.Forbidden, match="may not mint"):
            access.mint_wish(registry, Wish(role, name), EDGE)


def test_what_was_told_is_sent_once_to_who_asks_again(
    client_of: Callable[..., httpx2.Client],
) -> None:
    edge, central = client_of(Role.AGENT, "edge-1"), client_of(Role.RECONCILER, "central")
    body = {"holder": MINE, "document": {"commit": "one"}}
    told = edge.put("/v1/agents/edge-1", json=body).json()
    first = central.get("/v1/agents").json()
    assert [one["document"] for one in first["agents"]] == [{"commit": "one"}]
    after = {"after": first["newest"]}
    edge.put("/v1/agents/edge-1", json=body | {"epoch": told["epoch"]})
    assert central.get("/v1/agents", params=after).json()["agents"][0]["document"] is None
    edge.put(
        "/v1/agents/edge-1",
        json=body | {"epoch": told["epoch"], "document": {"commit": "two"}},
    )
    changed = central.get("/v1/agents", params=after).json()["agents"][0]
    assert changed["document"] == {"commit": "two"}
    assert edge.delete("/v1/agents/edge-1", params={"holder": MINE}).status_code == 204
    assert central.get("/v1/agents").json()["agents"] == []


class Behind(datetime):
    """The clock of another replica, or this one's after it was set back."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(hours=1)


def test_what_is_told_while_somebody_asks_or_by_a_clock_that_is_behind_is_not_missed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = claim(registry).epoch

    def tell(commit: str) -> None:
        agents.tell(registry, "edge-1", {"commit": commit}, holder=MINE, epoch=epoch, by=EDGE)

    def heard(after: datetime | None) -> tuple[list[dict[str, Json] | None], datetime | None]:
        found = agents.listed(registry, after=after)
        return [one.document for one in found.agents], found.newest

    put, between = rows.put, list[datetime | None]()

    def asked_in_between(session: Session, row: Agent) -> None:
        put(session, row)
        if not between:  # it is stamped by now, and not committed
            between.append(heard(None)[1])

    monkeypatch.setattr(rows, "put", asked_in_between)
    tell("two")
    documents, newest = heard(between[0])
    assert documents == [{"commit": "two"}]
    monkeypatch.setattr(clock, "datetime", Behind)
    tell("three")
    assert heard(newest)[0] == [{"commit": "three"}]


def test_claims_and_their_ends_are_in_the_log(
    client_of: Callable[..., httpx2.Client],
) -> None:
    edge, operator = client_of(Role.AGENT, "edge-1"), client_of(Role.OPERATOR, "olga")
    edge.put("/v1/agents/edge-1", json={"holder": MINE, "document": {}})
    operator.delete("/v1/agents/edge-1", params={"reason": "it burnt"})
    shown = edge.get("/log/entries?start=0&limit=100").json()["entries"]
    found = [entries.decode(base64.b64decode(one["leaf"])) for one in shown]
    assert [one.kind for one in found if one.host == "edge-1"] == [
        Kind.HOST_CLAIMED,
        Kind.HOST_RELEASED,
    ]
