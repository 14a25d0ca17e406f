"""Asking a service of one's own: where it may be, what is sent, what is taken from the answer."""

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from reconciler import measuring
from reconciler.config import Source
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import asking, checks
from registry import errors
from registry.core import reading
from tests.reconciler.measuring.service import Service, context, serving


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as found:
        found.answers["/checks/digits"] = (
            200,
            json.dumps({"data": {"score": 0.9, "a/b": [1, 2]}, "n": 12, "none": None}).encode(),
        )
        yield found


def measured(
    service: Service, path: str = "/checks/{{args.model}}", allowed: str = "/checks", **asked: Any
) -> Measurement:
    document = {
        "name": "check",
        "provider": {"http": {"url": f"{service.url}{path}", **asked}},
    }
    return measuring.measure(
        reading.part(document, Metric, what="metric"),
        context(
            service,
            args={"model": "digits", "up": "..", "text": '"x'},
            checks=(Source(f"{service.url}{allowed}"),),
        ),
    )


def test_a_pointer_leads_to_the_value_and_another_to_the_samples(service: Service) -> None:
    found = measured(service, jsonPointer="/data/score", samplesPointer="/n")
    assert found == Found(0.9, 12)
    assert measured(service, jsonPointer="/data/a~1b/1") == Found(2)
    whole = measured(service)
    assert isinstance(whole, Found)
    assert isinstance(whole.result, dict)


def test_null_is_not_enough_to_judge(service: Service) -> None:
    assert measured(service, jsonPointer="/none") == NotEnough("the check says null", None)


def test_a_body_is_sent_as_json_with_its_arguments(service: Service) -> None:
    measured(service, method="POST", body={"q": ["{{args.text}}", 1]})
    method, _, body, headers = service.asked[0]
    assert (method, headers["content-type"]) == ("POST", "application/json")
    assert json.loads(body) == {"q": ['"x', 1]}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"jsonPointer": "/data/scores"}, "there is nothing at /data/scores"),
        ({"jsonPointer": "/data/a~1b/2"}, "there is nothing at"),
        ({"jsonPointer": "/data/score/x"}, "there is nothing at"),
        ({"samplesPointer": "/data"}, "is no number of samples"),
        ({"expectedStatus": 204}, "status 200, not 204"),
        ({"path": "/checks/other"}, "status 404, not 200"),
    ],
)
def test_what_is_not_as_declared_is_trouble(
    service: Service, asked: dict[str, Any], why: str
) -> None:
    found = measured(service, **asked)
    assert isinstance(found, Trouble)
    assert why in found.reason


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/checksandmore", "/checks/../admin", "/checks/%2e%2e/admin", "/checks/..",
        "/checks/{{args.up}}/admin", "/checks/..%5cadmin",
    ],
)  # fmt: skip
def test_a_path_that_is_not_below_an_allowed_one_is_not_asked(service: Service, path: str) -> None:
    found = measured(service, path=path)
    assert isinstance(found, Trouble)
    assert "may ask" in found.reason
    assert service.asked == []


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://checks.example/q", True),
        ("https://CHECKS.example:443/q/x?y=1", True),
        ("http://checks.example/q", False),
        ("https://checks.example:8443/q", False),
        ("https://checks.example.evil/q", False),
        ("https://checks.example@evil/q", False),
        ("https://evil/https://checks.example/q", False),
        ("https://169.254.169.254/q", False),
        ("https://checks.example/", False),
        ("https://checks.example:port/q", False),
    ],
)
def test_an_address_is_allowed_by_scheme_host_port_and_path(url: str, is_allowed: bool) -> None:
    known = (Source("https://checks.example/q"),)
    assert (asking.below(url, known) is not None) is is_allowed


def test_a_path_in_another_script_is_asked_percent_encoded(service: Service) -> None:
    service.answers["/checks/%C3%A4"] = 200, b"1"
    assert measured(service, path="/checks/ä?q=ü") == Found(1)
    assert service.asked[0][1] == "/checks/%C3%A4?q=%C3%BC"


def test_of_two_sources_the_more_exact_one_counts() -> None:
    one, two = Source("https://checks.example/"), Source("https://checks.example/q/")
    assert asking.below("https://checks.example/q/x", (one, two)) == two
    assert asking.below("https://checks.example/x", (one, two)) == one


def test_an_answer_that_drips_is_given_up_in_time(service: Service) -> None:
    service.seconds = 0.01
    with pytest.raises(errors.Unavailable, match="takes too long"):
        asking.ask(f"{service.url}/checks/digits", patience_s=0.05)


def test_an_answer_of_which_nothing_comes_is_given_up_in_the_same_words(service: Service) -> None:
    """A single read is late here, before all of it is."""
    service.answering.clear()
    with pytest.raises(errors.Unavailable, match="takes too long"):
        asking.ask(f"{service.url}/checks/digits", patience_s=1.0)
    service.answering.set()


def test_a_head_that_drips_is_given_up_in_time() -> None:
    """No single read is late here, so only a clock of our own ends it."""
    with dripping() as url, pytest.raises(errors.Unavailable, match="takes too long"):
        asking.ask(url, patience_s=0.2)


@contextmanager
def dripping() -> Iterator[str]:
    """Sends a header, a byte at a time, until whoever asked leaves."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            link, _ = server.accept()
            with link, suppress(OSError):
                link.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                while True:
                    link.sendall(b"y")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join(60)
        assert not thread.is_alive()


def test_an_answer_that_is_no_json_is_trouble(service: Service) -> None:
    for page in (b"<html>", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000):
        service.answers["/checks/digits"] = 200, page
        found = measured(service)
        assert isinstance(found, Trouble)
        assert "not valid JSON" in found.reason


def test_a_packed_answer_is_not_unpacked(service: Service) -> None:
    service.answers["/checks/digits"] = 200, gzip.compress(b" " * (4 << 20))
    service.headers["content-encoding"] = "gzip"
    found = measured(service)
    assert isinstance(found, Trouble)
    assert service.asked[0][3]["accept-encoding"] == "identity"


def test_an_answer_that_is_cut_off_is_none(service: Service) -> None:
    service.answers["/checks/digits"] = 200, b"12"
    service.headers["content-length"] = "3"
    found = measured(service)
    assert isinstance(found, Trouble)
    assert "less than it announced" in found.reason


def test_a_pointer_is_read_as_its_standard_says() -> None:
    document = {"": 1, "a~1": 2, "m~n": {"0": 3}}
    assert checks.at(document, "/") == 1
    assert checks.at(document, "/a~01") == 2
    assert checks.at(document, "/m~0n/0") == 3
    assert checks.at(document, "") == document
