"""The log as a stream of events: nothing missing, nothing twice, and an end when told to stop."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import httpx2
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from starlette.requests import Request

from registry.api import stream
from registry.api.server import Server
from registry.core.interest import Interest
from registry.settings import Running, Settings
from registry.usecases import following, history, log
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.receiving import report

Line = dict[str, str]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    # Were a stream not to end by itself, the server would wait for it for that long.
    return replace(settings, running=Running(grace_seconds=60))


@pytest.fixture
def auditor(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    return client_of(Role.AUDITOR, "ann")


@contextmanager
def following_log(client: httpx2.Client, **asked: Any) -> Iterator[Iterator[Line]]:
    """The stream's blocks, each as its fields; comments under the name `comment`."""
    headers = {"Last-Event-ID": asked.pop("last")} if "last" in asked else {}
    with client.stream("GET", "/v1/events/stream", params=asked, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield blocks(answer.iter_lines())


def blocks(lines: Iterator[str]) -> Iterator[Line]:
    found: Line = {}
    for line in lines:
        if not line:
            yield found
            found = {}
        else:
            name, _, value = line.partition(": ")
            found[name or "comment"] = value


def events(found: Iterator[Line], count: int) -> list[dict[str, Any]]:
    """The next so many events, each checked to be under its own id."""
    read: list[dict[str, Any]] = []
    while len(read) < count:
        block = next(found)
        if "data" in block:
            document = json.loads(block["data"])
            assert document["id"] == block["id"]
            read.append(document)
    return read


def test_all_of_the_log_comes_in_order_and_then_what_is_new(
    server: Server, auditor: httpx2.Client
) -> None:
    registry = server.app.state.registry
    for number in range(120):
        report(registry, "tested", reason=str(number))
    size = log.size(registry)
    with following_log(auditor, after=-1) as found:
        assert [one["id"] for one in events(found, size)] == [str(n) for n in range(size)]
        index = report(registry, "deployed", model="digits", version=3)
        (event,) = events(found, 1)
    assert event["id"] == str(index)
    assert event["subject"] == "digits/3"
    message = HTTPMessage(
        {"content-type": "application/cloudevents+json"}, json.dumps(event).encode()
    )
    assert from_structured_event(message).get_type() == "dev.plimsoll.deployment.deployed.v1"


def test_without_a_place_only_what_is_new_comes(server: Server, auditor: httpx2.Client) -> None:
    registry = server.app.state.registry
    report(registry)
    with following_log(auditor) as found:
        assert next(found) == {"comment": "following", "retry": "2000"}
        # Even before the first event a client knows where to come back to.
        assert next(found) == {"comment": "passed", "id": str(log.size(registry) - 1)}
        index = report(registry)
        assert [one["id"] for one in events(found, 1)] == [str(index)]


def test_who_comes_back_misses_nothing_and_sees_nothing_twice(
    server: Server, auditor: httpx2.Client
) -> None:
    registry = server.app.state.registry
    first = report(registry)
    seen: list[int] = []
    writing = threading.Thread(target=lambda: [report(registry) for _ in range(60)])
    writing.start()
    last = str(first - 1)
    while len(seen) < 61:
        with following_log(auditor, last=last, after=0) as found:
            seen += [int(one["id"]) for one in events(found, min(7, 61 - len(seen)))]
        last = str(seen[-1])
    writing.join()
    assert seen == list(range(first, first + 61))


def test_only_what_was_asked_for_comes(server: Server, auditor: httpx2.Client) -> None:
    registry = server.app.state.registry
    before = log.size(registry) - 1
    report(registry, "tested", model="fraud")
    report(registry, "deployed", model="digits")
    report(registry, "deployed")
    wanted = [
        report(registry, "deployed", model="fraud-eu"),
        report(registry, "removed", model="fraud"),
    ]
    asked = {"kind": ["deployed", "removed"], "model": "fraud*", "after": before}
    with following_log(auditor, **asked) as found:
        assert [int(one["id"]) for one in events(found, 2)] == wanted


def test_who_hears_nothing_for_long_still_learns_where_the_log_is(
    server: Server, auditor: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_PASSED", 5)
    registry = server.app.state.registry
    for _ in range(10):
        last = report(registry, "tested")
    with following_log(auditor, kind="deployed", after=0) as found:
        passed = next(block for block in found if block.get("comment") == "passed")
    assert passed == {"comment": "passed", "id": str(last)}


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({}, {"Last-Event-ID": "seven"}),
        ({}, {"Last-Event-ID": "9" * 30}),
        ({"after": -2}, {}),
        ({"kind": "exploded"}, {}),
    ],
)
def test_a_wrong_place_is_refused_before_anything_is_streamed(
    auditor: httpx2.Client, asked: dict[str, Any], headers: dict[str, str]
) -> None:
    answer = auditor.get("/v1/events/stream", params=asked, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (422, 422)


def test_a_stream_needs_a_token(client_of: Callable[..., httpx2.Client]) -> None:
    assert client_of().get("/v1/events/stream").status_code == 401


def test_streams_have_so_many_places(
    server: Server, auditor: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST", 1)
    with following_log(auditor) as found:
        next(found)
        answer = auditor.get("/v1/events/stream")
        assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    while server.app.state.streams:
        time.sleep(0.01)
    with following_log(auditor) as found:
        assert next(found)["comment"] == "following"


def test_streams_end_cleanly_when_the_registry_stops(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    clients = [client_of(Role.AUDITOR, f"ann-{number}") for number in range(3)]
    ended: list[bool] = []
    begun = threading.Barrier(4)

    def follow(client: httpx2.Client) -> None:
        with following_log(client) as found:
            next(found)
            begun.wait()
            list(found)  # raises unless the answer ends as it should
            ended.append(True)

    threads = [threading.Thread(target=follow, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    begun.wait()
    server.stop()
    for thread in threads:
        thread.join()
    assert ended == [True] * 3
    assert server.app.state.streams == set()


def test_a_page_is_read_only_once_the_page_before_was_taken(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, pages, page = server.app.state.registry, [], following.page
    for _ in range(120):
        report(registry, "tested")

    def counted(opened: Any, start: int | None, interest: Interest) -> following.Followed:
        pages.append(start)
        return page(opened, start, interest)

    async def take(count: int) -> None:
        asked = stream.Asked(0, Interest())
        found = stream.stream(Request({"type": "http", "app": server.app}), registry, asked)
        for _ in range(count):
            await anext(found)
        await found.aclose()

    monkeypatch.setattr(following, "page", counted)
    asyncio.run(take(1 + 50))
    assert pages == [0]
    pages.clear()
    asyncio.run(take(1 + 51))
    assert pages == [0, 50]


def test_what_is_about_one_deployment_is_told_alone_and_can_be_read_backwards(
    server: Server, auditor: httpx2.Client
) -> None:
    registry = server.app.state.registry
    commit, other = "a" * 40, "b" * 40
    report(registry, "commit_verified", commit=commit)
    report(registry, "commit_verified", commit=other)
    first = report(registry, "deployed", deployment="production/one", model="m", commit=commit)
    report(registry, "deployed", deployment="production/two", reason='"production/one"')
    last = report(registry, "quarantined", deployment="production/one", model="m")
    found = following.page(registry, 0, Interest(deployment="production/one"))
    assert [row.index for row in found.rows] == [first, last]
    path = "/v1/deployments/production/one/log"
    page = auditor.get(path).json()
    assert [one["index"] for one in page["entries"]] == [last, first, first - 2]
    assert page["before"] is None
    assert page["entries"][0]["entry"]["kind"] == "quarantined"
    newest = auditor.get(path, params={"limit": 1}).json()
    assert [one["index"] for one in newest["entries"]] == [last]
    older = auditor.get(path, params={"before": newest["before"], "limit": 1}).json()
    assert [one["index"] for one in older["entries"]] == [first]
    named = auditor.get("/v1/deployments/production/none/log", params={"commit": other}).json()
    assert [one["entry"]["commit"] for one in named["entries"]] == [other]


def test_a_long_log_is_looked_at_a_bounded_part_at_a_time(registry: Registry) -> None:
    report(registry, "deployed", deployment="production/one")
    for number in range(5):
        report(registry, "deployed", deployment=f"production/{number}")
    with patch.object(history, "LOOKED_AT", 3):
        found = history.of_deployment(registry, "production/one")
        assert found.entries == ()
        assert found.before == log.size(registry) - 3
