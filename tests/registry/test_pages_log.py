"""The log searched, as it was at a moment, proven; versions compared, expressions tried."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from registry.api.server import Server
from registry.core.facts import Facts
from registry.db import log_search as rows
from registry.usecases import log, publish, reports
from registry.usecases.access import Caller, Role
from registry.usecases.reports import Event
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

RECONCILER = Caller(Role.RECONCILER, "loop")


@pytest.fixture
def auditor(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    client = client_of(Role.AUDITOR, "eve")
    client.headers["Accept"] = "application/json"
    return client


def tell(server: Server, number: int, kind: str, **said: str) -> None:
    reports.record(server.app.state.registry, Event(f"{number}", kind, **said), RECONCILER)  # type: ignore[arg-type]


def indexes(found: dict[str, list[dict[str, int]]]) -> list[int]:
    return [one["index"] for one in found["entries"]]


def test_a_search_finds_by_kind_and_model_and_goes_on_within_it(
    server: Server, auditor: httpx2.Client
) -> None:
    for number in range(60):
        tell(server, number, "deployed", model="digits")
        tell(server, 1000 + number, "started", model="fraud")
    first = auditor.get("/log?kind=deployed&model=digits").json()
    second = auditor.get(first["older"]).json()
    assert len(indexes(first)) == 50
    assert len(indexes(second)) == 10
    assert {one["kind"] for one in first["entries"] + second["entries"]} == {"deployed"}
    assert second["older"] is None
    assert auditor.get("/log?kind=nonsense").status_code == 422
    assert auditor.get("/log?version=seven").status_code == 422


def test_the_log_is_shown_as_it_was_at_a_moment(server: Server, auditor: httpx2.Client) -> None:
    registry = server.app.state.registry
    tell(server, 1, "deployed")
    size = log.size(registry)
    with registry.database.reading() as session:
        assert rows.size_at(session, datetime.now(UTC), size=size) == size
        long_ago = datetime.now(UTC) - timedelta(days=1)
        assert rows.size_at(session, long_ago, size=size) == 0
    assert auditor.get("/log?until=2020-01-01T00:00").json()["entries"] == []
    assert indexes(auditor.get("/log?until=2999-01-01T00:00:00").json())[0] == size - 1
    assert auditor.get("/log?until=yesterday").status_code == 422


def test_the_proof_that_an_entrys_page_shows_leads_to_the_signed_root(
    server: Server, auditor: httpx2.Client
) -> None:
    for number in range(9):
        tell(server, number, "deployed")
    found = auditor.get("/log/entry/3").json()
    proof, index, size = found["proof"], 3, found["proof"]["size"]
    node = bytes.fromhex(proof["leafHash"])
    assert node == hashlib.sha256(b"\0" + found["leaf"].encode()).digest()
    # RFC 9162, 2.1.3.2: which side each of the others stands on.
    last = size - 1
    for text in proof["hashes"]:
        other = bytes.fromhex(text)
        if index % 2 or index == last:
            node = hashlib.sha256(b"\1" + other + node).digest()
            while index % 2 == 0 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + other).digest()
        index, last = index >> 1, last >> 1
    assert base64.b64encode(node).decode() == proof["checkpoint"].split("\n")[2]


def publish_two(server: Server, alice: Publisher) -> None:
    registry = server.app.state.registry
    for number, accuracy in ((1, 0.9), (2, 0.95)):
        files = {"model.onnx": onnx_model(number)}
        store(registry, files)
        said = Facts(licence="MIT", metrics={"accuracy": accuracy}, tags={f"only-{number}": "x"})
        publish.publish(registry, alice.draft(files, version=number, said=said), ALICE)


def test_two_versions_stand_side_by_side_with_what_changed(
    server: Server, auditor: httpx2.Client, alice: Publisher
) -> None:
    publish_two(server, alice)
    found = auditor.get("/models/digits/compare?a=1&b=2").json()["compared"]
    lines = {line["name"]: line for part in found["parts"] for line in part["lines"]}
    assert lines["accuracy"]["change"] == "+0.05 (+5.6%)"
    assert (lines["Licence"]["left"], lines["Licence"]["right"]) == ("MIT", "MIT")
    assert (lines["only-1"]["right"], lines["only-2"]["left"]) == ("", "")
    assert lines["Digest"]["left"] != lines["Digest"]["right"]
    assert auditor.get("/models/digits/compare?a=1&b=9").status_code == 404


@pytest.mark.parametrize(
    ("expression", "holds", "trouble"),
    [
        ('verification.publisher == "alice"', True, ""),
        ('version.metadata.licence == "GPL-3.0"', False, ""),
        ("verification.publisher ==", False, "Syntax error"),
        ("verification.nothing.at.all", False, "Key not found"),
        ("1 + 1", False, "not BOOL"),
    ],
)
def test_an_expression_is_tried_on_a_version_and_nothing_is_logged(
    server: Server,
    auditor: httpx2.Client,
    alice: Publisher,
    expression: str,
    holds: bool,
    trouble: str,
) -> None:
    publish_two(server, alice)
    size = log.size(server.app.state.registry)
    asked = {"model": "digits", "version": "1", "expression": expression}
    found = auditor.get("/policies", params=asked).json()["tried"]
    assert found["holds"] is holds
    assert trouble.lower() in found["trouble"].lower()
    assert log.size(server.app.state.registry) == size


def test_a_models_versions_go_on_page_by_page(
    server: Server, auditor: httpx2.Client, alice: Publisher
) -> None:
    publish_two(server, alice)
    found = auditor.get("/models/digits").json()
    assert [one["number"] for one in found["model"]["versions"]] == [2, 1]
    assert found["nextPage"] is None
