"""gRPC while versions take turns: runtimes and Traefik as containers, stock clients all along."""

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from deploy import images as deployed
from reconciler.engines import ingress, wire
from reconciler.engines.protocol import Launch
from runtime.protocols.grpc import messages
from tests.engines import rigs
from tests.engines.rigs import Docker, free_port, route_to, start
from tests.runtime import models, stand_in

METHOD = "/inference.GRPCInferenceService/ModelInfer"
ASKED = messages.of("inference.ModelInferRequest")(
    model_name="digits",
    inputs=[{"name": "X", "datatype": "FP32", "shape": [1, 64]}],
    raw_input_contents=[np.zeros(64, np.float32).tobytes()],
).SerializeToString()


class Clients:
    """Threads that ask as fast as they are answered; `said` counts versions and failures."""

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"
        self._enough = threading.Event()
        self.said: Counter[str] = Counter()

    @contextmanager
    def asking(self, number: int) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask) for _ in range(number)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._enough.set()
            for thread in threads:
                thread.join()

    def once(self, call: grpc.UnaryUnaryMultiCallable) -> str:
        try:
            answer = call(ASKED, metadata=((ingress.MODEL_HEADER, "digits"),), timeout=60)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        return str(messages.of("inference.ModelInferResponse").FromString(answer).model_version)

    def until(self, wanted: str) -> None:
        """New clients get this version."""
        options = [("grpc.use_local_subchannel_pool", 1)]

        def is_so() -> bool:
            with grpc.insecure_channel(self._address, options=options) as channel:
                return self.once(channel.unary_unary(METHOD)) == wanted

        assert wire.until(is_so, timeout=60), self.said

    def go_on(self) -> None:
        """Until twenty requests more are answered."""
        seen = self.said.total()
        assert wire.until(lambda: self.said.total() >= seen + 20, timeout=60)

    def _ask(self) -> None:
        # No retry by the client: whatever fails is seen.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options=options) as channel:
            call = channel.unary_unary(METHOD)
            while not self._enough.is_set():
                self.said[self.once(call)] += 1
                time.sleep(0.005)


@pytest.fixture
def registry() -> Iterator[stand_in.StandIn]:
    found = stand_in.StandIn()
    with found.answering(address=""):
        yield found


def test_no_grpc_call_fails_while_versions_take_turns_in_containers(
    built_images: None, registry: stand_in.StandIn
) -> None:
    deployed.build(("runtime",), address=rigs.SOCKET, base=deployed.LOCAL, tag="test")
    port = free_port()
    clients = Clients(port)
    url = f"http://host.docker.internal:{registry.port}"
    launch = Launch(url, stand_in.TOKEN, registry.trust().decode())
    with rigs.docker_host(grpc_port=port) as found:
        rig = dataclasses.replace(found, launch=launch)
        first, second = (_spec(rig, registry, version) for version in (1, 2))
        start(rig, first)
        rig.engine.route(route_to(first))
        clients.until("1")
        with clients.asking(4):
            clients.go_on()
            for old, new in ((first, second), (second, first)):
                start(rig, new)
                rig.engine.route(route_to(new))
                clients.until(str(new.version))
                rig.engine.remove(old.name)
                clients.go_on()
    failed = {said for said in clients.said if said not in {"1", "2"}}
    assert not failed, clients.said
    assert min(clients.said["1"], clients.said["2"]) >= 20


def _spec(rig: Docker, registry: stand_in.StandIn, version: int) -> rigs.InstanceSpec:
    published = registry.publish(models.onnx_digits(), version=version)
    return dataclasses.replace(
        rig.spec(version),
        digest=published.wanted.digest,
        image="plimsoll-runtime:test",
        memory_bytes=1 << 30,
        settings='{"process":{"grpc":true}}',
    )
