"""Databases, open registries and running servers for the tests of the registry."""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from moto.server import ThreadedMotoServer

from registry.api.server import Server
from registry.db import engine
from registry.settings import Limits, Settings
from registry.usecases import access, opening, readiness, workshop
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry
from tests.registry import postgres
from tests.registry.publishing import Publisher

ROOT = Caller(Role.ADMIN, "root")
_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _patient() -> Iterator[None]:
    """Where the registry waits for a moment only, a busy machine gets more than that."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workshop, "_PATIENCE", 120.0)
        patched.setattr(readiness, "_WAIT_S", 60.0)
        patched.setattr(engine, "_PRAGMAS", (*engine._PRAGMAS, "PRAGMA busy_timeout=60000"))
        longer = f"{engine._POSTGRES_OPTIONS}-c lock_timeout=60s -c statement_timeout=120s "
        patched.setattr(engine, "_POSTGRES_OPTIONS", longer)
        yield


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    if not postgres.is_installed():
        missing = "PostgreSQL is not installed (apt-get install postgresql)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with postgres.cluster() as socket_folder:
        yield socket_folder


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    socket_folder = request.getfixturevalue("postgres_socket")
    return postgres.create_database(socket_folder, f"t{next(_numbers)}")


@pytest.fixture
def alice() -> Publisher:
    return Publisher()


@pytest.fixture
def registry(database_url: str, tmp_path: Path, alice: Publisher) -> Iterator[Registry]:
    """An open registry that trusts alice, on each database."""
    opened = opening.open_registry(Settings(data_dir=tmp_path / "data", database_url=database_url))
    alice.list_in(opened.settings.publishers_file)
    yield opened
    opened.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    limits = Limits(max_file_bytes=8 * 1024**2, max_document_bytes=256 * 1024)
    return Settings(data_dir=tmp_path / "data", listen=("127.0.0.1:0",), limits=limits)


@pytest.fixture
def server(settings: Settings, alice: Publisher) -> Iterator[Server]:
    """A registry behind a real port; it trusts alice."""
    alice.list_in(settings.publishers_file)
    running = Server(settings)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client_of(server: Server) -> Iterator[Callable[..., httpx2.Client]]:
    """A client with a token of the given role, or without one."""
    opened: list[httpx2.Client] = []

    def open_client(role: Role | None = None, name: str = "somebody") -> httpx2.Client:
        client = httpx2.Client(base_url=server.addresses[0], timeout=60)
        if role is not None:
            token = access.mint(server.app.state.registry, role=role, name=name, by=ROOT)
            client.headers["Authorization"] = f"Bearer {token}"
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def client(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    """A publisher's client."""
    return client_of(Role.PUBLISHER, "alice-ci")


@pytest.fixture
def client_of_registry(alice: Publisher) -> Iterator[Callable[[Settings], httpx2.Client]]:
    """Starts a registry with settings of the test's own; gives a publisher's client."""
    with ExitStack() as stack:

        def start(settings: Settings) -> httpx2.Client:
            alice.list_in(settings.publishers_file)
            running = Server(settings)
            running.start()
            stack.callback(running.stop)
            opened = running.app.state.registry
            token = access.mint(opened, role=Role.PUBLISHER, name="alice-ci", by=ROOT)
            client = httpx2.Client(base_url=running.addresses[0], timeout=60)
            client.headers["Authorization"] = f"Bearer {token}"
            return stack.enter_context(client)

        yield start


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB with 4 MiB of ballast on it."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mounted)]
    if subprocess.run(command, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    (mounted / "ballast").write_bytes(bytes(4 * 1024**2))
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty place in an object store that speaks S3."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"plimsoll-{next(_numbers)}"
    httpx2.put(f"{s3_endpoint}/{name}", content=b"", timeout=60).raise_for_status()
    return f"s3://{name}/models"
