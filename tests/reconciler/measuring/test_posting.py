"""Labels posted at the reconciler: to all instances that remember, for who has the token."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from reconciler import labelling, webhook
from reconciler.measuring import posting
from tests.reconciler.measuring.service import Service, serving, variant

LABELS = {"model": "digits", "labels": [{"id": "a", "label": 1}, {"id": "b", "label": 2}]}
TOKEN = {"authorization": "Bearer right"}


@pytest.fixture
def two() -> Iterator[tuple[Service, Service]]:
    with serving() as candidate, serving() as stable:
        yield candidate, stable


def client(doors: posting.Doors, token: bytes = b"right") -> TestClient:
    return TestClient(
        webhook.create_app(
            sender=webhook.Sender("", b""),
            hint=lambda _: None,
            metrics=CollectorRegistry(),
            more=[labelling.route(doors, lambda: token)],
        )
    )


def opened(*services: Service) -> posting.Doors:
    doors = posting.Doors()
    known = [variant(one, version=2 - place) for place, one in enumerate(services)]
    doors.remember("digits", known, 60)
    return doors


def says(service: Service, **versions: dict[str, str]) -> None:
    told: Any = [{"id": name, "versions": said} for name, said in versions.items()]
    service.answers["/plimsoll/labels"] = 200, orjson.dumps({"labels": told})


def test_a_label_goes_to_every_instance_that_remembers_and_each_says_what_it_knows(
    two: tuple[Service, Service],
) -> None:
    says(two[0], a={"2": "joined"}, b={})
    says(two[1], a={"1": "repeated"}, b={})
    answer = client(opened(*two)).post("/labels", json=LABELS, headers=TOKEN)
    assert answer.status_code == 200
    known = {"id": "a", "versions": {"1": "repeated", "2": "joined"}}
    assert answer.json() == {"labels": [known, {"id": "b", "versions": {}}]}
    for service in two:
        (method, path, body, headers) = service.asked[0]
        assert (method, path, orjson.loads(body)) == ("POST", "/plimsoll/labels", LABELS)
        assert headers["key"] == "k"
        assert "authorization" not in headers


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, b"right"),
        ({"authorization": "Bearer wrong"}, b"right"),
        ({"authorization": "Bearer "}, b""),
    ],
)
def test_without_the_token_nobody_is_asked(
    two: tuple[Service, Service], headers: dict[str, str], token: bytes
) -> None:
    answer = client(opened(*two), token).post("/labels", json=LABELS, headers=headers)
    assert (answer.status_code, two[0].asked) == (401, [])


def test_one_that_does_not_take_them_is_told_and_so_is_nobody_there(
    two: tuple[Service, Service],
) -> None:
    says(two[0], a={"2": "joined"})
    for page in (b"[]", b'{"labels": [{"id": 7}]}'):
        two[1].answers["/plimsoll/labels"] = 200, page
        answer = client(opened(*two)).post("/labels", json=LABELS, headers=TOKEN)
        assert (answer.status_code, "plimsoll-1" in answer.json()["detail"]) == (503, True)
    nobody = client(posting.Doors())
    assert nobody.post("/labels", json=LABELS, headers=TOKEN).status_code == 404
    for body in (b"[", b'{"model": "digits", "labels": [7]}', b'{"labels": []}'):
        assert nobody.post("/labels", content=body, headers=TOKEN).status_code == 422
    large = nobody.post("/labels", content=b" " * (labelling.BODY_LIMIT + 1), headers=TOKEN)
    assert large.status_code == 413


def test_doors_close_when_nobody_measures_any_more() -> None:
    now = [0.0]
    doors, service = posting.Doors(lambda: now[0]), Service(url="http://x")
    doors.remember("digits", [variant(service)], 60)
    assert len(doors.of("digits")) == 1
    assert doors.of("other") == []
    now[0] = 61
    assert doors.of("digits") == []
