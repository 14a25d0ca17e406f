"""What was done is on disk until the log has it, whatever stands between here and the registry."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler import attesting, client, journal, signing, state, witness
from registry import errors
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.trustroot import TrustRoot

FULL = b'{"code": "storage_full", "detail": "no room is left"}'
ABOUT: dict[str, Json] = {"host": "edge-1", "deployment": "production/digits", "reason": "so"}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The address of something that answers everything alike."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def nobody() -> TrustRoot:
    raise errors.TrustRootRefused("nothing is verified here")


@pytest.mark.parametrize(("status", "body"), [(507, FULL), (404, b"<h1>Not here</h1>")])
def test_a_log_that_takes_nothing_ends_no_round_and_loses_nothing(
    tmp_path: Path, status: int, body: bytes
) -> None:
    """A full disk there, or a proxy that is set up wrongly."""
    (tmp_path / "token").write_text("plm_any")
    with (
        answering(status, body) as url,
        closing(client.Registry(url, tmp_path / "token")) as registry,
        closing(state.StateFolder(tmp_path / "state")) as folder,
    ):
        written = journal.Journal(registry, folder, witness.Witness(registry, folder, nobody))
        assert written.record(Kind.STARTED, ABOUT) is None
        written.flush()
        with pytest.raises(errors.PlimsollError, match=r"no room is left|HTTP status 404"):
            written.require(Kind.DEPLOYING, ABOUT)
        assert [event["kind"] for _, event in folder.pending()] == [Kind.STARTED.value]


@pytest.mark.parametrize(("status", "body"), [(507, FULL), (404, b"<h1>Not here</h1>")])
def test_a_signed_result_that_is_not_taken_now_stays(
    tmp_path: Path, status: int, body: bytes
) -> None:
    (tmp_path / "token").write_text("plm_any")
    with (
        answering(status, body) as url,
        closing(client.Registry(url, tmp_path / "token")) as registry,
        closing(state.StateFolder(tmp_path / "state")) as folder,
    ):
        key = signing.load_or_create(folder)
        folder.keep_statement("one", {"model": "digits", "version": 1, "bundle": {}})
        attesting.Attester(registry, folder, key, trust=nobody).flush()
        assert [name for name, _ in folder.statements()] == ["one"]
