"""What a container of the tests runs in place of the runtime: it answers as the runtime would.

Anything it is asked, it answers with the version it was told to serve, and whether it does. A
format it does not know, `broken`, makes it not ready; `crash` makes it exit at once. It takes as
long as the request's header `test-delay` says, in seconds.
"""

import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = json.loads(Path(sys.argv[2]).read_text())
MODEL = CONFIG["models"][0]
ANSWERING = threading.Semaphore(64)
TOKEN = Path(CONFIG["tokenFile"]).read_text()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 120  # after which an idle connection is closed

    def do_GET(self) -> None:
        with ANSWERING:
            self.answer()

    def answer(self) -> None:
        if delay := self.headers.get("test-delay"):
            sys.stderr.write(f"asked to take {delay} s\n")
            time.sleep(float(delay))
        is_ready = MODEL["format"] != "broken"
        state = {"digest": MODEL["digest"], "state": "AVAILABLE" if is_ready else "LOADING"}
        seen = {"version": MODEL["version"], "path": self.path, "headers": dict(self.headers)}
        seen["models"] = [{"model": MODEL["model"], **state}]
        body = json.dumps(seen).encode()
        self.send_response(200 if is_ready or self.path != "/readyz" else 503)
        self.send_header("plimsoll-version", str(MODEL["version"]))
        self.send_header("plimsoll-digest", MODEL["digest"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()  # before the place is given back, and the process may end

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if MODEL["format"] == "crash":
    sys.exit(f"told to crash, holding a token of {len(TOKEN)} characters")
sys.stderr.write(f"serving {MODEL['model']} {MODEL['version']}\n")
server = Server(("0.0.0.0", 8501), Handler)  # noqa: S104  inside a container of its own
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.1)
for _ in range(64):  # requests under way are answered before the end
    ANSWERING.acquire()
