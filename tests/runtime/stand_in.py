"""A registry of one socket: real signed envelopes, real blobs with ranges, and faults on demand."""

import base64
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from registry.core import canonical, merkle, note
from registry.core import digest as digests
from registry.core.dsse import Signer
from registry.core.trustroot import TrustRoot
from registry.trust import keys, sign
from tests.core.publication import ORIGIN, Publication, stored

TOKEN = "plm_host_test"


class StandIn:
    """What is published, what was asked, and how the next answers go wrong."""

    def __init__(self) -> None:
        self.publisher = keys.generate_signing_key()
        self.registry = keys.generate_signing_key()
        self.log = keys.generate_log_key()
        self.reconcilers: tuple[Signer, ...] = ()
        self.agents: tuple[Signer, ...] = ()
        self.leaves: list[bytes] = []
        self.witnesses: tuple[note.WitnessKey, ...] = ()
        self.witness_threshold = 0
        self.cosigned: list[str] = []
        self.shown: int | None = None
        self.envelopes: dict[tuple[str, int], bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.events: dict[str, dict[str, object]] = {}
        self.requests: list[str] = []
        self.cut_after: int | None = None
        self._cutting = threading.Lock()
        self.hold_after: int | None = None
        self.released = threading.Event()
        self.ignores_ranges = False
        # Where a range begins, and the status that it is answered with in place of 206.
        self.at_range: dict[int, int] = {}
        # Blobs are answered once so many are asked for at the same time.
        self.together: threading.Barrier | None = None
        self.refused_events = 0
        self.url = ""
        # In place of a plain trust root.
        self.signed_trust = b""

    def publication(self, contents: dict[str, bytes], **fields: object) -> Publication:
        """A version signed by this registry's own keys; not published yet."""
        known = {"publisher": self.publisher, "registry": self.registry, "log": self.log}
        return Publication(contents, **(known | fields))  # type: ignore[arg-type]

    def publish(self, contents: dict[str, bytes], **fields: object) -> Publication:
        return self.file(self.publication(contents, **fields))

    def file(self, found: Publication, **more: object) -> Publication:
        """Publish what was made by this registry's keys, with `more` in its envelope."""
        self.leaves.append(found.parts().leaf)
        index, size = len(self.leaves) - 1, len(self.leaves)
        proof = merkle.inclusion_proof(index, size, stored(self.leaves))
        self.envelopes[found.model, found.version] = found.envelope(
            index=index, proof=proof, checkpoint=self.checkpoint(), **more
        )
        self.blobs |= {digests.of(data): data for data in found.contents.values()}
        return found

    def checkpoint(self, size: int | None = None) -> str:
        """Signed over the first `size` publications (all, if None)."""
        of = len(self.leaves) if size is None else size
        root = merkle.root(of, stored(self.leaves[:of]))
        return sign.sign_checkpoint(ORIGIN, of, root, self.log)

    def release(self) -> None:
        """Let go of the answers that `hold_after` stopped half way, and stop no more."""
        self.hold_after = None
        self.released.set()

    def cut(self, size: int) -> int | None:
        """Where an answer of `size` bytes ends too early: one does, however many go at once."""
        with self._cutting:
            found = self.cut_after
            if found is None or found >= size:
                return None
            self.cut_after = None
            return found

    def trust(self) -> bytes:
        return self.signed_trust or canonical.encode(self.root.document())

    @property
    def root(self) -> TrustRoot:
        """Whom a host of this registry trusts."""
        return replace(
            self.publication({"x": b"x"}, reconcilers=self.reconcilers).trust,
            witnesses=self.witnesses,
            witness_threshold=self.witness_threshold,
            agents=self.agents,
        )

    @contextmanager
    def answering(self, port: int = 0, *, address: str = "127.0.0.1") -> Iterator[None]:
        """Listen until the block ends; the port stays the same for later blocks."""
        server = _Server((address, port), self)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        bundle = re.fullmatch(
            r"/v1/models/([^/]+)/versions/(\d+)/bundle(?:\?digest=.*)?", self.path
        )
        if bundle:
            self._send(200, self.server.state.envelopes.get((bundle[1], int(bundle[2]))))
            return
        if self.path == "/log/checkpoint":
            self._send(200, self.server.state.checkpoint(self.server.state.shown).encode())
            return
        grown = re.fullmatch(r"/log/consistency\?from=(\d+)&to=(\d+)", self.path)
        if grown:
            self._send(200, self._consistency(int(grown[1]), int(grown[2])))
            return
        blob = self.server.state.blobs.get(self.path.removeprefix("/v1/blobs/"))
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if self.server.state.together is not None:
            self.server.state.together.wait(60)
        if blob is not None and asked and not self.server.state.ignores_ranges:
            start = int(asked[1])
            self._send_range(blob, start, int(asked[2] or len(blob) - 1) + 1)
        else:
            self._send(200, blob)

    def _send_range(self, blob: bytes, start: int, stop: int) -> None:
        status = self.server.state.at_range.get(start, 206 if start < len(blob) else 416)
        if status == 206:
            part = blob[start:stop]
            span = f"bytes {start}-{start + len(part) - 1}/{len(blob)}"
            self._send(206, part, ("Content-Range", span))
        elif status == 200:
            self._send(200, blob)
        else:
            self._problem(status, "unavailable" if status == 503 else "out_of_order", "not now")

    def _consistency(self, old: int, new: int) -> bytes | None:
        leaves = self.server.state.leaves
        if not 0 < old <= new <= len(leaves):
            return None
        proof = merkle.consistency_proof(old, new, stored(leaves[:new]))
        return json.dumps({"hashes": [base64.b64encode(one).decode() for one in proof]}).encode()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._is_allowed():
            return
        if self.path == "/log/cosignatures":
            self.server.state.cosigned.append(body.decode())
            self._send(200, b"{}")
            return
        if self.server.state.refused_events:
            self.server.state.refused_events -= 1
            self._problem(503, "unavailable", "the log is being moved")
            return
        event = json.loads(body)
        known = event["id"] in self.server.state.events
        self.server.state.events[event["id"]] = event
        self._send(200 if known else 201, b'{"index":0}')

    def _is_allowed(self) -> bool:
        state, begin = self.server.state, re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        heard = begin is not None and begin[1] != "0" and not state.ignores_ranges
        said = f" from {begin[1]}" if begin and heard else ""
        state.requests.append(f"{self.command} {self.path}{said}")
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._problem(401, "unauthenticated", "the token is not known")
        return False

    def _send(self, status: int, body: bytes | None, *headers: tuple[str, str]) -> None:
        if body is None:
            self._problem(404, "not_found", f"there is no {self.path}")
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        state = self.server.state
        if state.hold_after is not None and state.hold_after < len(body):
            self.wfile.write(body[: state.hold_after])
            self.wfile.flush()
            state.released.wait(60)
            self.close_connection = True
            return
        cut = state.cut(len(body))
        if cut is not None:
            self.wfile.write(body[:cut])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(body)

    def _problem(self, status: int, code: str, detail: str) -> None:
        body = json.dumps({"code": code, "detail": detail, "status": status}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a connection waits here until this process gets its turn

    def __init__(self, address: tuple[str, int], state: StandIn) -> None:
        super().__init__(address, _Handler)
        self.state = state
