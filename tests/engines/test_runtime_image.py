"""The real runtime in its real image, as hardened as it is deployed: it pulls, verifies, serves."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator

import docker
import pytest

from deploy import images as deployed
from reconciler.core.observed import Health, InstanceSpec
from reconciler.engines import wire
from reconciler.engines.protocol import Endpoint, Launch
from tests.core.publication import Publication
from tests.engines import rigs
from tests.engines.rigs import Docker, route_to, serve
from tests.runtime import models, stand_in

IMAGE = "plimsoll-runtime:test"


@pytest.fixture(scope="module")
def runtime_image() -> None:
    deployed.build(("runtime",), address=rigs.SOCKET, base=deployed.LOCAL, tag="test")


@pytest.fixture
def registry() -> Iterator[stand_in.StandIn]:
    found = stand_in.StandIn()
    with found.answering(address=""):
        yield found


@pytest.fixture
def rig(docker_rig: Docker, registry: stand_in.StandIn, runtime_image: None) -> Docker:
    url = f"http://host.docker.internal:{registry.port}"
    launch = Launch(url, stand_in.TOKEN, registry.trust().decode())
    return dataclasses.replace(docker_rig, launch=launch)


def _spec(rig: Docker, published: Publication, *, image: str = IMAGE) -> InstanceSpec:
    return dataclasses.replace(
        rig.spec(published.version),
        digest=published.wanted.digest,
        format=published.format,
        image=image,
        memory_bytes=1 << 30,
    )


def _state(endpoint: Endpoint) -> tuple[str, str]:
    answer = wire.ask(f"{endpoint.url}/plimsoll/status", headers=endpoint.headers, timeout=60)
    (model,) = json.loads(answer.body)["models"]
    return model["state"], model["reason"]


def test_an_onnx_model_and_a_tensorflow_model_are_served_by_the_same_image(
    rig: Docker, registry: stand_in.StandIn
) -> None:
    images, labels = models.digits()
    asked = json.dumps({"instances": images[:20].tolist()}).encode()
    saved, *_ = models.saved_models()
    for published in (
        registry.publish(models.onnx_digits(), version=1),
        registry.publish(saved, version=2, format="saved_model"),
    ):
        serve(rig, _spec(rig, published))
        url = rig.engine.front().url + "/v1/models/digits:predict"
        answer = wire.ask(url, method="POST", body=asked, timeout=60)
        assert answer.headers["plimsoll-digest"] == published.wanted.digest
        said = [row["label"] for row in json.loads(answer.body)["predictions"]]
        assert sum(one == label for one, label in zip(said, labels, strict=False)) >= 18


_ENVIRONMENTS = """
import json, pathlib
found = {}
for one in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        words = (one / "cmdline").read_bytes().split(b"\\0")
        shown = (one / "environ").read_bytes()
        found[" ".join(word.decode() for word in words)] = b"a-secret" in shown
    except OSError:
        pass
print(json.dumps(found))
"""


def test_secrets_reach_the_processes_of_models_and_are_not_in_the_runtimes_own_block(
    rig: Docker, registry: stand_in.StandIn
) -> None:
    launch = dataclasses.replace(rig.launch, environment={"TOKEN": "a-secret"})
    mine = dataclasses.replace(rig, launch=launch)
    published = registry.publish(models.onnx_digits())
    spec = dataclasses.replace(_spec(mine, published), settings='{"isolation":"process"}')
    serve(mine, spec)
    made = mine.api.exec_create(spec.name, ["python3", "-c", _ENVIRONMENTS], user="10001:10001")
    found = json.loads(mine.api.exec_start(made["Id"]))
    runtime = [shows for command, shows in found.items() if "--config" in command]
    workers = [shows for command, shows in found.items() if "in_child" in command]
    assert runtime, found
    assert not any(runtime)
    assert workers == [True], found
    assert "a-secret" not in json.dumps(mine.api.inspect_container(spec.name))
    assert "a-secret" not in mine.engine.logs(spec.name, lines=500)


def test_the_small_image_serves_onnx_and_is_small(rig: Docker, registry: stand_in.StandIn) -> None:
    [small] = deployed.build(
        ("runtime-edge",), address=rigs.SOCKET, base=deployed.LOCAL, tag="test"
    )
    published = registry.publish(models.onnx_digits())
    serve(rig, _spec(rig, published, image=small))
    asked = json.dumps({"instances": models.digits()[0][:1].tolist()}).encode()
    url = rig.engine.front().url + "/v1/models/digits:predict"
    assert wire.ask(url, method="POST", body=asked, timeout=60).status == 200
    assert images_bytes(small) < 300 << 20


def images_bytes(image: str) -> int:
    api = docker.APIClient(base_url=rigs.SOCKET, version="auto")
    with contextlib.closing(api):
        return int(api.inspect_image(image)["Size"])  # type: ignore[no-untyped-call]


def test_a_version_that_does_not_verify_is_refused_and_the_container_stays(
    rig: Docker, registry: stand_in.StandIn
) -> None:
    good = registry.publish(models.onnx_digits())
    registry.blobs = {name: data[:-1] + b"!" for name, data in registry.blobs.items()}
    spec = _spec(rig, good)
    rig.engine.start(spec, rig.launch)
    endpoint = rig.engine.preview(spec.name)
    assert wire.until(lambda: _refused(endpoint), timeout=60), rig.engine.logs(spec.name)
    assert "digest" in _state(endpoint)[1]
    assert rigs.answer_status(endpoint, "/readyz") == 503
    assert rig.engine.observe().instances[0].health is not Health.HEALTHY
    rig.engine.route(route_to(spec))
    assert rigs.served(rig) is None


def _refused(endpoint: Endpoint) -> bool:
    if rigs.answer_status(endpoint, "/livez") != 200:
        return False
    return _state(endpoint)[0] == "REFUSED"
