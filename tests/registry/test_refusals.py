"""Refusals and paces: each is told, none fills the log, and who is too fast is told to wait."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from sqlalchemy.exc import ProgrammingError

from registry import errors
from registry.api.server import Server
from registry.settings import Settings
from registry.settings_access import Access
from registry.usecases import access, catalogue, pacing
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from registry.usecases.pacing import Pace
from registry.usecases.refusals import Refusal, Refusals
from tests.registry.conftest import ROOT

WRONG = {"Authorization": "Bearer plm_0000000000000000_" + "A" * 43}


def entered(registry: Registry) -> list[dict[str, object]]:
    """The refusals of the newest entry, if it is one of them."""
    entry = catalogue.latest(registry, limit=1)[0].entry
    found = entry.detail.get("refused") if entry.kind == "access_refused" else []
    return found if isinstance(found, list) else []  # type: ignore[return-value]


def test_a_million_refusals_are_one_entry_with_their_number(registry: Registry) -> None:
    refusals = Refusals()
    wrong = Refusal("unknown", "unauthenticated", "GET /v1/models")
    for _ in range(1000):
        refusals.note(wrong)
    refusals.note(Refusal("publisher:ci", "forbidden", "POST /v1/tokens"))
    assert refusals.record(registry)
    assert entered(registry) == [
        {"actor": "unknown", "code": "unauthenticated", "route": "GET /v1/models", "count": 1000},
        {"actor": "publisher:ci", "code": "forbidden", "route": "POST /v1/tokens", "count": 1},
    ]
    assert not refusals.record(registry), "nothing is entered twice"


def test_many_different_refusals_still_fit_into_one_leaf(registry: Registry) -> None:
    refusals = Refusals()
    for number in range(5000):
        name = f"publisher:{'x' * 120}-{number}"
        refusals.note(Refusal(name, "forbidden", "POST /v1/models/{name}/versions"))
    assert refusals.record(registry)
    entry = catalogue.latest(registry, limit=1)[0].entry
    assert (len(entered(registry)), entry.detail["others"]) == (100, 4900)


def test_refusals_that_could_not_be_entered_are_entered_later(registry: Registry) -> None:
    refusals, wrong = Refusals(), Refusal("unknown", "unauthenticated", "GET /v1/models")
    refusals.note(wrong)
    closed = registry.database
    with closed.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE log_head RENAME TO log_head_away")
        session.commit()
    with pytest.raises((errors.Unavailable, ProgrammingError)):
        refusals.record(registry)
    with closed.writing() as session:
        session.connection().exec_driver_sql("ALTER TABLE log_head_away RENAME TO log_head")
        session.commit()
    refusals.note(wrong)
    assert refusals.record(registry)
    assert entered(registry)[0]["count"] == 2


def test_over_http_attempts_are_entered_and_mere_questions_are_not(
    server: Server, client_of: Callable[..., httpx2.Client]
) -> None:
    nobody, publisher = client_of(), client_of(Role.PUBLISHER, "ci")
    assert nobody.get("/v2/").status_code == 401, "as every OCI client asks first"
    assert nobody.get("/v1/models", headers=WRONG).status_code == 401
    assert publisher.get("/v1/tokens").status_code == 403
    registry: Registry = server.app.state.registry
    assert server.app.state.refusals.record(registry)
    assert [(one["actor"], one["code"], one["route"]) for one in entered(registry)] == [
        ("publisher:ci", "forbidden", "GET /v1/tokens"),
        ("unknown", "unauthenticated", "GET /v1/models"),
    ]
    shown = client_of().get("/metrics").text
    assert re.search(r'plimsoll_registry_refusals_total\{code="unauthenticated"\} 2\.0', shown)


def test_what_was_counted_is_entered_when_the_process_stops(settings: Settings) -> None:
    running = Server(settings)
    running.start()
    address = f"{running.addresses[0]}/v1/models"
    assert httpx2.get(address, headers=WRONG, timeout=60).status_code == 401
    running.stop()
    again = Server(settings)
    again.start()
    assert entered(again.app.state.registry)[0]["count"] == 1
    again.stop()


def header_of(registry: Registry, name: str) -> dict[str, str]:
    token = access.mint(registry, role=Role.VIEWER, name=name, by=ROOT)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def paced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Five wrong credentials, or twenty requests, a minute: of one that does not go by."""
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: 6030.0))
    monkeypatch.setattr(access, "_REMEMBERED_S", 3600.0)
    limits = Access(failures_per_minute=5, requests_per_minute=20)
    running = Server(Settings(data_dir=tmp_path / "data", listen=("127.0.0.1:0",), access=limits))
    running.start()
    with ExitStack() as stack:
        stack.callback(running.stop)
        yield running


def test_after_some_wrong_guesses_an_address_is_told_to_wait(paced: Server) -> None:
    registry: Registry = paced.app.state.registry
    with httpx2.Client(base_url=paced.addresses[0], timeout=60) as client:
        good = header_of(registry, "v")
        assert client.get("/v1/models", headers=good).status_code == 200
        seen = [client.get("/v1/models", headers=WRONG).status_code for _ in range(8)]
        assert seen == [401] * 5 + [429] * 3
        refused = client.get("/v1/models", headers=WRONG)
        assert refused.json()["code"] == "rate_limited"
        assert refused.headers["retry-after"] == "30"
        assert client.post("/login", data={"token": "x"}).status_code == 429
        enrolling = client.post(
            "/v1/enrol", headers=WRONG, json={"certificateRequest": "x", "recipient": "x"}
        )
        assert enrolling.status_code == 429
        assert client.get("/v1/models", headers=good).status_code == 200, "known a moment ago"
        assert client.get("/livez").status_code == 200


def test_a_caller_who_is_too_fast_is_told_to_wait_and_others_are_not(paced: Server) -> None:
    registry: Registry = paced.app.state.registry
    with httpx2.Client(base_url=paced.addresses[0], timeout=60) as client:
        fast, slow = (header_of(registry, name) for name in ("fast", "slow"))
        seen = {client.get("/v1/models", headers=fast).status_code for _ in range(25)}
        assert seen == {200, 429}
        assert client.get("/v1/models", headers=slow).status_code == 200
        for path in ("/api/2.0/mlflow/registered-models/search", "/v2/_catalog"):
            answer = client.get(path, headers=fast)
            assert answer.status_code == 429
            assert "retry-after" in answer.headers


def test_a_pace_slides_and_lets_in_again() -> None:
    pace, start = Pace(10), 6000.0
    for _ in range(10):
        pace.require("a", "x", now=start + 30)
    with pytest.raises(errors.RateLimited) as told:
        pace.require("a", "x", now=start + 30)
    assert told.value.after == 30
    pace.require("b", "x", now=start + 30)
    with pytest.raises(errors.RateLimited):
        pace.require("a", "x", now=start + 60)
    pace.require("a", "x", now=start + 90)
    pace.require_room("a", "x", now=start + 300)


def test_what_is_kept_of_callers_is_bounded() -> None:
    pace = Pace(10)
    for number in range(50_000):
        pace.count(f"address-{number}")
    assert len(pace._counts._values) == 20_000


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_address(address: str, key: str) -> None:
    assert pacing.of_address(address) == key
