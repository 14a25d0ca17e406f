"""MLflow, which uploads, folders, versions, search and start-up are measured against.

It is installed into an environment of its own, which stays under .build for the next run: its
pinned parts are not ours, and nothing here imports it.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import addresses, environments, processes, wire
from registry import errors
from registry.core import fields

VERSION = "3.17.2"
_DRIVER = "psycopg[binary]==3.3.9"  # it reaches PostgreSQL by this one
_STARTING_S = 180.0
API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True, slots=True)
class Run:
    """What MLflow keeps artifacts under: its id, and the address of its artifacts."""

    id: str
    artifacts: str


@dataclass(frozen=True, slots=True)
class Running:
    """One server that hands artifacts out itself; `database` is where it keeps the rest.

    `ready_s` is how long its first start took.
    """

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    program: Path
    database: str
    ready_s: float

    def artifact(self, path: str) -> Path:
        """Where it keeps the artifact `path`."""
        return self.folder / "artifacts" / path

    def begin_run(self) -> Run:
        """A new run of the default experiment."""
        with wire.connected(self.url) as link:
            answer = link.post(f"{API}/runs/create", {"experiment_id": "0"})
        run = fields.mapping(answer, "run", what="answer")
        info = fields.mapping(run, "info", what="run")
        return Run(
            fields.text(info, "run_id", what="run"), fields.text(info, "artifact_uri", what="run")
        )

    def create_model(self, name: str) -> None:
        """A registered model without versions."""
        with wire.connected(self.url) as link:
            link.post(f"{API}/registered-models/create", {"name": name})

    def upload(self, source: Path, path: str) -> None:
        """One file as the artifact `path`; it neither hashes nor syncs."""
        with wire.connected(self.url) as link:
            link.send_file("PUT", f"{_ARTIFACTS}/{path}", source)

    def command(self, *arguments: str) -> None:
        """Its command line, against this server."""
        done = subprocess.run(
            [str(self.program), *arguments],
            env=_environment() | {"MLFLOW_TRACKING_URI": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise errors.Unavailable(f"mlflow {arguments[0]} failed: {done.stderr[-500:]}")


@contextmanager
def running(folder: Path, *, scratch: Path, database: str = "") -> Iterator[Running]:
    """A server with its files in the new `folder`, from the environment under `scratch`.

    Without an empty `database`, it makes itself a SQLite file.
    """
    program = installed(scratch)
    folder.mkdir()
    database = database or f"sqlite:///{folder / 'mlflow.db'}"
    port = addresses.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(str(program), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", database),
        *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
    ]
    log = folder / "mlflow.log"
    with processes.running(command, log=log, environment=_environment()) as process:
        took = processes.await_true(
            lambda: wire.answers(url, "/health"),
            "MLflow answering",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(url, folder, process, program, database, took)


def installed(scratch: Path) -> Path:
    """The `mlflow` command in its environment, which is made where it is not there yet."""
    home = environments.made(scratch / f"mlflow-{VERSION}", f"mlflow=={VERSION}", _DRIVER)
    return home / "bin" / "mlflow"


def _environment() -> dict[str, str]:
    """Ours without what would lead Python to our own packages; and it calls nobody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
