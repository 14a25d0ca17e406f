"""The client of all comparisons, against a small server of the standard library."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench import wire
from bench.population import Question
from bench.sides import Side, Spelling
from registry import errors
from tests.ports import free_port


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, and where; /refused is refused."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b'{"versions": [1, 2], "next": "' + self.path.encode() + b'"}')

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _answer(self, body: bytes) -> None:
        self.send_response(404 if self.path == "/refused" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Caller", self.headers.get("Authorization", ""))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_one_connection_carries_one_call_after_the_other(url: str) -> None:
    with wire.connected(url, {"Authorization": "Bearer t"}) as link:
        assert link.post("/one", {"a": 1}) == {"a": 1}
        answer = link.call("GET", "/two")
    assert (answer.status, answer.headers["x-caller"]) == (200, "Bearer t")
    assert answer.document["next"] == "/two"


def test_a_file_is_sent_whole_and_counted_whole(url: str, tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    source.write_bytes(bytes(3 * wire.BLOCK + 1))
    with wire.connected(url) as link:
        assert link.send_file("POST", "/file", source).body == source.read_bytes()
        assert link.receive("/counted", bytearray(7)) == len(
            '{"versions": [1, 2], "next": ""}/counted'
        )


def test_a_refusal_is_an_error_that_says_what_was_answered(url: str) -> None:
    with wire.connected(url) as link, pytest.raises(errors.Unavailable, match="answered 404"):
        link.call("GET", "/refused")


def test_a_server_answers_once_it_listens(url: str) -> None:
    assert wire.answers(url, "/anything")
    assert not wire.answers(url, "/refused")
    assert not wire.answers(f"http://127.0.0.1:{free_port()}", "/anything")


def test_a_search_is_spelled_as_its_server_spells_it(url: str) -> None:
    spelling = Spelling(
        version="/{model}/{version}",
        search="/search",
        page_size="maxResults",
        page_token="pageToken",
        found="versions",
        following="next",
    )
    with wire.connected(url) as link:
        found, following = Side(link, spelling).search(Question("tags.a = 'b'"), "after")
    assert found == 2
    assert following == "/search?filter=tags.a+%3D+%27b%27&maxResults=100&pageToken=after"
