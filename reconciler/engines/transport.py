"""A connection to one Docker Engine over unix://, tcp:// with mutual TLS, or ssh://.

Opened at the first call, negotiated once, rebuilt when it died. Every error of the SDK and
of what lies below it leaves as `EngineUnreachable` (no answer) or `EngineRefused` (a no).
"""

import contextlib
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import docker.errors
import docker.tls
import docker.transport
import docker.types.daemon
import docker.utils
import paramiko
import requests
import requests.adapters
import urllib3.connection
import urllib3.exceptions

from reconciler.engines import podman
from registry import errors

# The oldest engine we know answers 1.41; 29 and later refuse to speak below 1.44.
_OLDEST, _NEWEST = "1.41", "1.47"
_START_INTERVAL_SINCE = "1.44"
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
# Of the ten that sshd allows a login by default.
_IDLE_SESSIONS = 4
_SILENT = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    paramiko.SSHException,
    EOFError,
    OSError,
)


class Connection:
    """`timeout` is in seconds and bounds the connect and each read."""

    def __init__(self, address: str, *, credentials: Path | None, timeout: float) -> None:
        if urlsplit(address).scheme == "tcp" and credentials is None:
            raise errors.InvalidConfig(
                f"engine {address} has no credentials folder, and plain TCP would let anyone in",
                fix="give a folder with ca.pem, cert.pem and key.pem, or use ssh:// or unix://",
            )
        self.address = address
        self._credentials = credentials
        self._timeout = timeout
        self._client: docker.APIClient | None = None
        self._version = _OLDEST
        self._is_podman = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def speaking(self, doing: str) -> Iterator[docker.APIClient]:
        """The client, for the calls that make up `doing` (words for the error message)."""
        try:
            yield self._live()
        except docker.errors.ImageNotFound as error:
            fix = "build or load the image on that host"
            raise errors.EngineRefused(f"{doing}: {_explanation(error)}", fix=fix) from error
        except docker.errors.APIError as error:
            fix = f"see the engine's log at {self.address}"
            raise errors.EngineRefused(f"{doing}: {_explanation(error)}", fix=fix) from error
        except (docker.errors.DockerException, *_SILENT) as error:
            self.close()
            raise errors.EngineUnreachable(
                f"{doing}: {self.address} did not answer: {_reason(error)}",
                fix="check that the engine runs, and its address and credentials",
            ) from error

    def create(self, api: docker.APIClient, body: dict[str, Any], *, name: str) -> None:
        """Create a container from the body of the API's own call; never pulls its image."""
        if self._is_podman:
            body = podman.adapted(body)
        api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]

    def update(self, api: docker.APIClient, container: str, body: dict[str, Any]) -> None:
        """Change limits of a container that runs; the SDK's own call knows some of them only."""
        url = f"{api.base_url}/v{self._version}/containers/{container}/update"
        answer = api.post(url, json=body, timeout=self._timeout)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            raise docker.errors.create_api_error_from_http_exception(error) from error

    def stamp(self, api: docker.APIClient, container: str, path: str) -> str:
        """Size, time and mode of a file in a container: a fraction of what reading it costs.

        Raises `docker.errors.NotFound` where container or file are missing.
        """
        url = f"{api.base_url}/v{self._version}/containers/{container}/archive"
        answer = api.head(url, params={"path": path}, timeout=self._timeout)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            raise docker.errors.create_api_error_from_http_exception(error) from error
        return str(answer.headers["X-Docker-Container-Path-Stat"])

    def listen(self, doing: str, filters: dict[str, list[str]]) -> "Listening":
        """Events from now on, over a connection of their own that may be silent for ever."""
        with self.speaking(doing) as api:
            api.ping()  # the version is settled, and nothing below waits for long
            client = self._open(self._version)
        with contextlib.ExitStack() as undone:
            undone.callback(client.close)
            with self.speaking(doing):
                answer = client.get(
                    f"{client.base_url}/v{self._version}/events",
                    params={"filters": docker.utils.convert_filters(filters)},
                    stream=True,
                    timeout=(self._timeout, None),
                )
                answer.raise_for_status()
            undone.pop_all()
        return Listening(client, answer)

    def knows_start_interval(self) -> bool:
        """Whether the engine looks more often at the health of what has just started."""
        with self.speaking("ask for the engine's version"):
            return not docker.utils.version_lt(self._version, _START_INTERVAL_SINCE)

    def close(self) -> None:
        """Let go of the client; the next call opens another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _live(self) -> docker.APIClient:
        with self._lock:
            if self._client is not None and _is_dead(self._client):
                self._client.close()
                self._client = None
            if self._client is None:
                self._client = self._negotiated()
            return self._client

    def _negotiated(self) -> docker.APIClient:
        client = self._open(_OLDEST)
        try:
            found = client.version(api_version=False)
            offered, self._is_podman = str(found["ApiVersion"]), podman.is_podman(found)
        except BaseException:
            client.close()
            raise
        self._version = _NEWEST if docker.utils.version_lt(_NEWEST, offered) else offered
        # Another client would be another login.
        client._version = self._version  # type: ignore[attr-defined]  # noqa: SLF001
        return client

    def _open(self, version: str) -> docker.APIClient:
        address = urlsplit(self.address)
        options: dict[str, Any] = {"version": version, "timeout": self._timeout}
        if address.scheme == "ssh":
            client = docker.APIClient(base_url="http://ssh:22", **options)
            client.mount("http+docker://ssh", _Ssh(self.address, self._credentials, self._timeout))
            client.base_url = "http+docker://ssh"
        elif address.scheme == "tcp" and self._credentials is not None:
            client = docker.APIClient(
                base_url=self.address, tls=_mutual_tls(self._credentials), **options
            )
            client.mount("https://", _Kept())
        else:
            _knock(address.path, self._timeout)
            client = docker.APIClient(base_url=self.address, **options)
        # A CA bundle or proxy named in the environment would override our own.
        client.trust_env = False
        return client


class Listening:
    """The lines of an answer without an end; ends quietly when the connection does."""

    def __init__(self, client: docker.APIClient, answer: requests.Response) -> None:
        self._client = client
        self._answer = answer
        self._stream = docker.types.daemon.CancellableStream(
            answer.iter_lines(chunk_size=None), answer
        )

    def __iter__(self) -> Iterator[bytes]:
        # Closed from another thread, a socket may say so in any of these ways.
        with contextlib.suppress(*_SILENT, ValueError, AttributeError):
            yield from self._stream

    def close(self) -> None:
        """End the iteration, whichever thread it runs in."""
        # Over ssh there is no socket to shut: the session's end is what the reader sees.
        with contextlib.suppress(docker.errors.DockerException, OSError, AttributeError):
            self._stream.close()
        self._client.close()


class _Kept(requests.adapters.HTTPAdapter):
    """TCP asks after a silent peer: one that lost its power is told within six seconds."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """With our socket options besides urllib3's own."""
        own = [*urllib3.connection.HTTPConnection.default_socket_options, *_KEEPALIVE]
        super().init_poolmanager(*arguments, socket_options=own, **options)


class _Ssh(docker.transport.SSHHTTPAdapter):
    """The SDK's adapter, with time limits and this host's own key and known_hosts."""

    def __init__(self, address: str, credentials: Path | None, timeout: float) -> None:
        self._folder = credentials
        self._limit = timeout
        self.ssh_params: dict[str, Any] = {}
        super().__init__(address, timeout=math.ceil(timeout), max_pool_size=_IDLE_SESSIONS)

    def is_alive(self) -> bool:
        session = self.ssh_client.get_transport() if self.ssh_client else None
        return session is not None and session.is_active()

    def get_connection(self, url: str | bytes, proxies: Any = None) -> Any:  # noqa: ARG002
        """One pool for all: the SDK's has a session for each URL that was ever asked."""
        return super().get_connection("", proxies)

    def _connect(self) -> None:
        super()._connect()  # type: ignore[misc]
        session = self.ssh_client.get_transport() if self.ssh_client else None
        if session is not None and isinstance(session.sock, socket.socket):
            for option in _KEEPALIVE:
                session.sock.setsockopt(*option)

    def _create_paramiko_client(self, base_url: str) -> None:
        super()._create_paramiko_client(base_url)  # type: ignore[misc]
        # The banner's limit must end first, or paramiko goes on without a session.
        self.ssh_params.update(
            port=self.ssh_params.get("port") or 22,
            timeout=self._limit,
            banner_timeout=self._limit / 2,
            auth_timeout=self._limit,
        )
        if self._folder is not None and self.ssh_client is not None:
            self.ssh_client.load_host_keys(str(self._folder / "known_hosts"))
            self.ssh_params.update(
                key_filename=str(self._folder / "key"), allow_agent=False, look_for_keys=False
            )


def _is_dead(client: docker.APIClient) -> bool:
    """An ssh client never recovers by itself once its session has ended."""
    if client.base_url != "http+docker://ssh":
        return False
    adapter = client.get_adapter(client.base_url)
    return isinstance(adapter, _Ssh) and not adapter.is_alive()


def _knock(path: str, timeout: float) -> None:
    """Raise at once where nothing listens; the SDK would leave its socket open."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(timeout)
        door.connect(path)


def _mutual_tls(folder: Path) -> docker.tls.TLSConfig:
    return docker.tls.TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
        ca_cert=str(folder / "ca.pem"),
        verify=True,
    )


def _explanation(error: docker.errors.APIError) -> str:
    return " ".join(str(error.explanation or error).split())


def _reason(error: BaseException) -> str:
    """The innermost cause in one line, since the SDK wraps it three times over."""
    inner = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    if isinstance(inner, TimeoutError) or isinstance(error, requests.Timeout):
        return "timed out"
    return " ".join(str(inner).split()) or type(inner).__name__
