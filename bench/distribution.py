"""CNCF distribution (Debian's docker-registry), which uploads are measured against."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import addresses, processes, wire
from registry import errors

_STARTING_S = 20.0
_REPOSITORY = "bench"


@dataclass(frozen=True, slots=True)
class Running:
    """One server; `root` is where it keeps everything."""

    url: str
    root: Path

    def blob(self, digest: str) -> Path:
        """Where it keeps the bytes of `digest`."""
        name = digest.removeprefix("sha256:")
        kept = self.root / "docker" / "registry" / "v2" / "blobs" / "sha256"
        return kept / name[:2] / name / "data"

    def upload(self, source: Path, digest: str) -> None:
        """The two requests that its protocol needs for a blob; it syncs, and checks `digest`."""
        with wire.connected(self.url) as link:
            begun = link.call("POST", f"/v2/{_REPOSITORY}/blobs/uploads/", b"")
            place = urlsplit(begun.headers["location"])
            link.send_file("PUT", f"{place.path}?{place.query}&digest={digest}", source)


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """A server with its files in the new `folder`."""
    program = shutil.which("docker-registry")
    if program is None:
        raise errors.NotFound(
            "docker-registry, which uploads are measured against, is not installed",
            fix="apt-get install docker-registry",
        )
    folder.mkdir()
    port = addresses.free_port()
    config = folder / "config.yml"
    # YAML takes JSON as it is.
    config.write_text(
        json.dumps(
            {
                "version": "0.1",
                "log": {"level": "warn", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "root")}},
                "http": {"addr": f"127.0.0.1:{port}"},
            }
        )
    )
    url = f"http://127.0.0.1:{port}"
    command = [program, "serve", str(config)]
    with processes.running(command, log=folder / "distribution.log") as process:
        processes.await_true(
            lambda: wire.answers(url, "/v2/"),
            "docker-registry answering",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(url, folder / "root")
