"""Our runtime passes the Open Inference Protocol's suite, and not everything does."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conformance.oip import extensions, suite
from tests.conformance.oip.suite import Check
from tests.conformance.oip.target import Target
from tests.runtime.process import ROOT, Runtime

ALL = [*suite.CORE, *(one for group in extensions.BY_EXTENSION.values() for one in group)]


@pytest.mark.parametrize("check", ALL, ids=suite.sentence)
def test_the_runtime_conforms(served: Runtime, check: Check) -> None:
    for model in ("digits", "two", "words", "bools"):
        assert suite.reason(check, Target(f"http://127.0.0.1:{served.port}", model)) == "", model


def test_all_that_is_checked_is_offered(served: Runtime) -> None:
    target = Target(f"http://127.0.0.1:{served.port}", "two")
    assert suite.checks(target) == ALL


def test_the_suite_runs_against_a_url(served: Runtime) -> None:
    command = [sys.executable, "-m", "tests.conformance.oip"]
    url = f"http://127.0.0.1:{served.port}"
    done = subprocess.run(
        [*command, url, "--model", "two"],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"{len(ALL)} passed, 0 failed"
    assert done.returncode == 0


class _Agreeable(BaseHTTPRequestHandler):
    """Says yes to everything, and nothing more."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_server_that_agrees_to_everything_passes_next_to_nothing() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Agreeable)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        target = Target(f"http://127.0.0.1:{server.server_port}", "two")
        passed = [suite.sentence(check) for check in ALL if not suite.reason(check, target)]
    finally:
        server.shutdown()
        server.server_close()
    assert passed == ["the server is live", "the server is ready", "the model is ready"]
