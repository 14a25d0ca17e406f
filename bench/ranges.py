"""What ranges gain where each connection has a rate of its own, as on a long way:
python -m bench.ranges. One connection and four take turns."""

import hashlib
import http.server
import os
import re
import tempfile
import threading
import time
from pathlib import Path

from registry.core.oms import File
from runtime.pull import Registry

_SIZE = 64 * 1024 * 1024
_RATES = (8 * 1024 * 1024, 32 * 1024 * 1024, 0)
_STEP = 256 * 1024
_TURNS = 2


class _Paced(http.server.BaseHTTPRequestHandler):
    """Sends a range at no more than `rate` bytes a second, 0 for as fast as it goes."""

    protocol_version = "HTTP/1.1"
    content = b""
    rate = 0

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        size = len(self.content)
        start, stop = (int(asked[1]), int(asked[2] or size - 1) + 1) if asked else (0, size)
        self.send_response(206 if asked else 200)
        self.send_header("content-length", str(stop - start))
        self.send_header("content-range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        for at in range(start, stop, _STEP):
            self.wfile.write(self.content[at : min(at + _STEP, stop)])
            time.sleep(_STEP / self.rate if self.rate else 0)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def seconds(url: str, file: File, *, connections: int) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one pull, the server's threads included."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.write_text("no secret")
        source = Registry(url, token, connections=connections)
        began, cpu = time.perf_counter(), time.process_time()
        source.download(file, Path(folder) / "file", Path(folder) / "pieces")
        return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    _Paced.content = os.urandom(_SIZE)
    file = File("file", "sha256:" + hashlib.sha256(_Paced.content).hexdigest(), _SIZE)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Paced)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for rate in _RATES:
        _Paced.rate = rate
        turns = [(seconds(url, file, connections=1), seconds(url, file, connections=4))
                 for _ in range(_TURNS)]  # fmt: skip
        one, four = (min(turn[side] for turn in turns) for side in (0, 1))
        named = f"{rate >> 20} MiB/s each" if rate else "loopback"
        print(
            f"{named:14} one {one[0]:5.2f} s ({one[1]:.2f} CPU), four {four[0]:5.2f} s "
            f"({four[1]:.2f} CPU): {one[0] / four[0]:.1f} x"
        )
    server.shutdown()


if __name__ == "__main__":
    main()
